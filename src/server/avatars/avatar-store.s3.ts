/** Pictures on S3-compatible storage (Tencent COS, Aliyun OSS, MinIO): two signed requests, PUT and DELETE, and no more of S3. */
import { createHash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { S3AvatarStoreConfig } from '../config/avatar-store.ts'
import { AVATAR_HEADERS, type AvatarStore, keyUnder } from './avatar-store.ts'

/** The caller with time limits that the platforms are called by too; handed in, so that sockets stay behind one door. */
export type SendObject = (request: {
  operation: string
  method: 'PUT' | 'DELETE'
  url: string
  headers: Record<string, string>
  body?: Uint8Array
  timeoutMs: number
}) => Promise<{ status: number; text: string }>

/** The storage refuses. Its words, which may hold names and keys, stay out but for the code. */
export class ObjectStoreError extends Error {
  constructor(operation: string, { status, text }: { status: number; text: string }) {
    super(`${operation}: ${status} ${/<Code>(\w{1,64})<\/Code>/.exec(text)?.[1] ?? 'without a code'}`)
    this.name = 'ObjectStoreError'
  }
}

const TIMEOUT_MS = 5000

export function createS3AvatarStore({
  config,
  send,
  clock,
}: {
  config: S3AvatarStoreConfig
  send: SendObject
  clock: Clock
}): AvatarStore {
  const { bucket, endpoint, region, publicBases, pathStyle, accessKeyId, secretAccessKey } = config
  const objects = pathStyle ? `${endpoint}/${bucket}` : endpoint.replace('://', `://${bucket}.`)
  const [publicBase = objects] = publicBases

  async function call(method: 'PUT' | 'DELETE', key: string, body?: Buffer): Promise<{ status: number; text: string }> {
    const { AwsV4Signer } = await import('aws4fetch')
    const signed = await new AwsV4Signer({
      method,
      url: `${objects}/${key}`,
      service: 's3',
      region,
      accessKeyId,
      secretAccessKey,
      datetime: clock
        .now()
        .toISOString()
        .replace(/[:-]|\.\d{3}/g, ''),
      // Every header and the content too: nothing on the way can be exchanged, even where the endpoint is plain http.
      allHeaders: true,
      headers: {
        ...(body ? AVATAR_HEADERS : {}),
        'X-Amz-Content-Sha256': createHash('sha256')
          .update(body ?? '')
          .digest('hex'),
      },
    }).sign()
    return await send({
      operation: `avatar ${method}`,
      method,
      url: signed.url.href,
      headers: Object.fromEntries(signed.headers),
      ...(body ? { body } : {}),
      timeoutMs: TIMEOUT_MS,
    })
  }

  return {
    async put(key, webp) {
      const reply = await call('PUT', key, webp)
      if (reply.status !== 200) throw new ObjectStoreError('avatar PUT', reply)
      return `${publicBase}/${key}`
    },
    keyOf: (url) => keyUnder([...publicBases, objects], url),
    async remove(key) {
      const reply = await call('DELETE', key)
      if (![200, 204, 404].includes(reply.status)) throw new ObjectStoreError('avatar DELETE', reply)
    },
  }
}

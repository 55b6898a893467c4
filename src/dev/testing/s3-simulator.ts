/** A small S3 over real HTTP: PUT, DELETE and public GET of objects, with a SigV4 check of its own, written from Amazon's page. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

export type StoredObject = { body: Buffer; headers: Record<string, string | undefined> }

export type S3Simulator = {
  /** `http://127.0.0.1:port`, for path style. */
  endpoint: string
  objects: Map<string, StoredObject>
  /** What every request gets from now on instead of an answer; undefined ends it. `hang` never answers. */
  fail(how: 'hang' | 503 | undefined): void
  close(): Promise<void>
}

export type S3SimulatorParts = { bucket: string; region: string; accessKeyId: string; secretAccessKey: string }

const CLOCK_SKEW_MS = 15 * 60_000

export async function startS3Simulator(parts: S3SimulatorParts): Promise<S3Simulator> {
  const objects = new Map<string, StoredObject>()
  let failure: 'hang' | 503 | undefined

  async function answer(request: IncomingMessage): Promise<{ status: number; body?: Buffer | string }> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const [, bucket, key = ''] = /^\/([^/]+)\/(.+)$/.exec(request.url ?? '') ?? []
    if (bucket !== parts.bucket) return refusal(404, 'NoSuchBucket')
    if (request.method === 'GET') {
      const found = objects.get(key)
      return found ? { status: 200, body: found.body } : refusal(404, 'NoSuchKey')
    }
    const wrong = wrongSignature(request, body, parts)
    if (wrong) return refusal(403, wrong)
    if (request.method === 'DELETE') {
      objects.delete(key)
      return { status: 204 }
    }
    if (request.method !== 'PUT') return refusal(405, 'MethodNotAllowed')
    const { 'content-type': type, 'cache-control': cache } = request.headers
    objects.set(key, { body, headers: { 'content-type': type, 'cache-control': cache } })
    return { status: 200 }
  }

  const server = createServer((request, response) => {
    if (failure === 'hang') return
    const answered = failure ? Promise.resolve(refusal(failure, 'SlowDown')) : answer(request)
    void answered.then(({ status, body }) => response.writeHead(status).end(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    fail: (how) => {
      failure = how
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const refusal = (status: number, code: string) => ({ status, body: `<Error><Code>${code}</Code></Error>` })

const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest('hex')
const hmac = (key: Buffer | string, text: string) => createHmac('sha256', key).update(text).digest()

/**
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, for paths and queries without anything to escape.
 * Answers S3's error code, or undefined for a good signature over at least host, date, content and content type.
 */
function wrongSignature(request: IncomingMessage, body: Buffer, parts: S3SimulatorParts): string | undefined {
  const { headers, method = '', url = '' } = request
  const [, accessKeyId, day = '', region, signedNames = '', signature = ''] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    ) ?? []
  if (accessKeyId !== parts.accessKeyId || region !== parts.region) return 'InvalidAccessKeyId'
  const date = String(headers['x-amz-date'])
  const [, y, m, d, hh, mm, ss] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? []
  const skewMs = Math.abs(Date.now() - Date.parse(`${y}-${m}-${d}T${hh}:${mm}:${ss}Z`))
  if (!date.startsWith(day) || !(skewMs <= CLOCK_SKEW_MS)) return 'RequestTimeTooSkewed'
  if (headers['x-amz-content-sha256'] !== sha256(body)) return 'XAmzContentSHA256Mismatch'

  const names = signedNames.split(';')
  const required = ['host', 'x-amz-date', 'x-amz-content-sha256', ...(body.length > 0 ? ['content-type'] : [])]
  if (!required.every((name) => names.includes(name))) return 'AccessDenied'
  const [path = '', query = ''] = url.split('?')
  const canonical = [
    method,
    path,
    query.split('&').sort().join('&'),
    ...names.map((name) => `${name}:${String(headers[name]).trim().replace(/\s+/g, ' ')}`),
    '',
    signedNames,
    headers['x-amz-content-sha256'],
  ].join('\n')
  const scope = `${day}/${region}/s3/aws4_request`
  const key = [day, parts.region, 's3', 'aws4_request'].reduce<Buffer | string>(hmac, `AWS4${parts.secretAccessKey}`)
  const expected = hmac(key, ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n'))
  return timingSafeEqual(expected, Buffer.from(signature, 'hex')) ? undefined : 'SignatureDoesNotMatch'
}

/** How AVATAR_STORE is written: `s3://bucket?endpoint=…&region=…` or `file:///folder`. */
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

export type FolderAvatarStoreConfig = { kind: 'folder'; path: string }
export type S3AvatarStoreConfig = {
  kind: 's3'
  bucket: string
  /** Without the bucket and without a slash at the end. */
  endpoint: string
  region: string
  /** Where the public finds the objects. The first is for new pictures; pictures under any of them are ours. */
  publicBases: string[]
  /** `endpoint/bucket/key` (MinIO) rather than `bucket.endpoint/key` (COS, OSS). */
  pathStyle: boolean
  accessKeyId: string
  secretAccessKey: string
}
export type AvatarStoreConfig = FolderAvatarStoreConfig | S3AvatarStoreConfig

type AvatarStoreLocation = FolderAvatarStoreConfig | Omit<S3AvatarStoreConfig, 'accessKeyId' | 'secretAccessKey'>

const httpUrl = z
  .url({ protocol: /^https?$/ })
  .regex(/^[^?#@\s]+$/)
  .transform((text) => text.replace(/\/+$/, ''))

const once = <Schema extends z.ZodType<unknown, string>>(schema: Schema) =>
  z
    .tuple([z.string()])
    .transform(([text]) => text)
    .pipe(schema)

/** Each name of the query with its values. */
const parameters = z
  .strictObject({
    endpoint: once(httpUrl),
    region: once(z.string().regex(/^[a-z0-9-]{1,64}$/)),
    publicBase: z.array(httpUrl).default([]),
    pathStyle: once(z.enum(['true', 'false'])).default('false'),
  })
  .transform(({ publicBase, pathStyle, ...where }) => ({
    ...where,
    publicBases: publicBase,
    pathStyle: pathStyle === 'true',
  }))

/** Both credentials are variables of their own, since a URL ends up in consoles and logs. */
const avatarStore = z.string().transform((text, context): AvatarStoreLocation => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'file:' && url.host === '' && url.search === '')
    return { kind: 'folder', path: fileURLToPath(url) }
  if (
    url?.protocol !== 's3:' ||
    url.username !== '' ||
    url.password !== '' ||
    !/^[a-z0-9][a-z0-9.-]{1,62}$/.test(url.host) ||
    !/^\/?$/.test(url.pathname)
  ) {
    context.addIssue('must be s3://bucket?endpoint=…&region=… or file:///folder')
    return z.NEVER
  }
  const parsed = parameters.safeParse(valuesByName(url.searchParams))
  if (parsed.success) return { kind: 's3', bucket: url.host, ...parsed.data }
  for (const issue of parsed.error.issues) {
    const name = issue.code === 'unrecognized_keys' ? issue.keys.join(', ') : String(issue.path[0])
    context.addIssue(`has a missing, unknown or wrong parameter: ${name}`)
  }
  return z.NEVER
})

const valuesByName = (params: URLSearchParams) =>
  Object.fromEntries([...params.keys()].map((name) => [name, params.getAll(name)]))

const credential = z.string().min(1).max(256).optional()

export const avatarStoreVariables = {
  AVATAR_STORE: avatarStore
    .optional()
    .describe(
      'Where uploaded pictures are kept: `s3://bucket?endpoint=…&region=…` or `file:///folder` (docs/avatars.md). Unset: no uploads.',
    ),
  AVATAR_STORE_ACCESS_KEY_ID: credential.describe('Required with `s3://`.'),
  AVATAR_STORE_SECRET_ACCESS_KEY: credential.describe('Required with `s3://`.'),
}

type Variables = { [Name in keyof typeof avatarStoreVariables]?: z.output<(typeof avatarStoreVariables)[Name]> }

export function avatarStoreProblems(env: Variables, isMissing: (name: string) => boolean): string[] {
  if (env.AVATAR_STORE?.kind !== 's3') return []
  return ['AVATAR_STORE_ACCESS_KEY_ID', 'AVATAR_STORE_SECRET_ACCESS_KEY']
    .filter(isMissing)
    .map((name) => `${name}: is required with s3://`)
}

export function avatarStoreOf(env: Variables): AvatarStoreConfig | undefined {
  const {
    AVATAR_STORE: location,
    AVATAR_STORE_ACCESS_KEY_ID: accessKeyId,
    AVATAR_STORE_SECRET_ACCESS_KEY: secret,
  } = env
  return location?.kind === 's3'
    ? { ...location, accessKeyId: accessKeyId ?? '', secretAccessKey: secret ?? '' }
    : location
}

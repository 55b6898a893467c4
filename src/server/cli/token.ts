/** Looks into an access token: what it says and whether it is good; its signature, which is what makes it worth stealing, is not shown. */
import {
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  jwtVerify,
} from 'jose'
import { createClients } from '../clients/clients.ts'
import { createUndiciSender, fetchJson } from '../platforms/fetch-json.ts'
import { type Command, type Input, type Outcome, onlyPositional } from './command.ts'
import { withKeys } from './keys.ts'

const FETCH_TIMEOUT_MS = 5000
const ACCEPTED = ['JWT', 'at+jwt']

export const tokenInspect: Command = {
  name: 'token inspect',
  usage: 'TOKEN [--jwks URL]',
  summary: 'What an access token says, and whether it is good: by the keys of this gateway, or by a published JWKS.',
  details:
    'TOKEN may be - to read it from standard input, so that it stays out of the shell history. Whether its session has ended is not\n' +
    'asked. With --jwks no configuration is needed, and issuer and audience are shown but not compared.',
  options: {
    jwks: { type: 'string', help: 'URL of a JWKS; without it the gateway’s own keys are read from the database' },
  },
  async run(input) {
    const token = await tokenFrom(input)
    const jwksUrl = input.values.jwks
    let header: ReturnType<typeof decodeProtectedHeader>
    let claims: JWTPayload
    try {
      header = decodeProtectedHeader(token)
      claims = decodeJwt(token)
    } catch {
      return { ok: false, json: { valid: false, problem: 'not a JWT' }, text: 'This is not a JWT.' }
    }
    const problem = await problemOf(token, typeof jwksUrl === 'string' ? jwksUrl : undefined)
    const text = [
      `header  ${JSON.stringify(header)}`,
      `claims  ${JSON.stringify(claims, undefined, 2)}`,
      ...(['iat', 'exp'] as const).map((name) => `${name}     ${instant(claims[name])}`),
      problem === undefined ? 'valid' : `NOT valid: ${problem}`,
    ].join('\n')
    return {
      ok: problem === undefined,
      json: { valid: problem === undefined, problem, header, claims },
      text,
    } satisfies Outcome
  },
}

async function tokenFrom(input: Input): Promise<string> {
  const given = onlyPositional(input, 'TOKEN')
  if (given !== '-') return given.trim()
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk
  return text.trim()
}

/** Why the token is refused, or undefined when it is good. */
async function problemOf(token: string, jwksUrl: string | undefined): Promise<string | undefined> {
  if (jwksUrl !== undefined) return await refusal(token, await fetchJwks(jwksUrl), {})
  return await withKeys(async ({ config, store }) => {
    const stored = (await store.list()).filter((key) => key.retiredAt === null)
    const keys = stored.map((key) => ({ ...key.publicJwk, alg: key.alg })) as JSONWebKeySet['keys']
    return await refusal(token, { keys }, { issuer: config.issuer, audience: [...createClients(config).audiences] })
  })
}

async function refusal(
  token: string,
  jwks: JSONWebKeySet,
  expected: { issuer?: string; audience?: string[] },
): Promise<string | undefined> {
  try {
    const { protectedHeader } = await jwtVerify(token, createLocalJWKSet(jwks), expected)
    return ACCEPTED.includes(protectedHeader.typ ?? '') ? undefined : `its typ is not one of ${ACCEPTED.join(', ')}`
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey)
      return 'no published key fits its kid and alg: signed elsewhere, or long ago, or retired'
    if (error instanceof errors.JOSEError) return error.message
    throw error
  }
}

async function fetchJwks(url: string): Promise<JSONWebKeySet> {
  const sender = createUndiciSender({ connections: 1 })
  try {
    const body = await fetchJson(sender.send, { operation: 'JWKS', method: 'GET', url, timeoutMs: FETCH_TIMEOUT_MS })
    return { keys: Array.isArray(body.keys) ? body.keys : [] }
  } finally {
    await sender.close()
  }
}

const instant = (seconds: number | undefined) =>
  seconds === undefined ? 'none' : new Date(seconds * 1000).toISOString()

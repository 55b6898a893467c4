/** The verifier says why: what a developer sees who has made one of the usual mistakes, and an operator in an outage. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { AUDIENCE, createTestIssuer, type TestIssuer } from '../../dev/testing/verifier.ts'
import { createVerifier, type Verifier, VerifierError, type VerifierOptions } from './verifier.ts'

const CONFIGURATION = 'https://auth.example.com/.well-known/openid-configuration'
let gateway: TestIssuer
const made: Verifier[] = []

beforeEach(async () => {
  gateway = await createTestIssuer()
})
afterEach(() => {
  for (const verifier of made.splice(0)) verifier.close()
  vi.restoreAllMocks()
})

function create(options: Partial<VerifierOptions> = {}): Verifier {
  const verifier = createVerifier({
    issuer: gateway.issuer,
    audience: AUDIENCE,
    fetch: gateway.fetch,
    onFailure: () => {},
    ...options,
  })
  made.push(verifier)
  return verifier
}

async function errorOf(work: Promise<unknown>): Promise<VerifierError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof VerifierError)) throw new Error(`expected a VerifierError, not ${String(error)}`)
  return error
}

test('a wrong issuer: the URL that was asked, the issuer found there and the one configured, from ready() and from verify()', async () => {
  gateway.overrides.set('/.well-known/openid-configuration', () =>
    Response.json({ issuer: 'https://auth.example.com/' }),
  )
  const verifier = create()
  const words = `the signing keys cannot be fetched: ${CONFIGURATION} is the metadata of the issuer "https://auth.example.com/", this verifier is for "https://auth.example.com"`
  const atStart = await errorOf(verifier.ready())
  expect(atStart).toMatchObject({ code: 'keys_unavailable', message: words })
  expect(atStart.cause).toBeInstanceOf(Error)
  expect((await errorOf(verifier.verify(await gateway.token()))).message).toBe(words)
})

test('a gateway that cannot be reached: the URL and the reason of the network', async () => {
  const unreachable = async (): Promise<Response> => {
    throw new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED 127.0.0.1:9') })
  }
  const error = await errorOf(create({ fetch: unreachable, baseUrl: 'http://127.0.0.1:9' }).ready())
  expect(error.message).toBe(
    'the signing keys cannot be fetched: http://127.0.0.1:9/.well-known/openid-configuration cannot be fetched: fetch failed: connect ECONNREFUSED 127.0.0.1:9',
  )
})

test('a gateway that answers an error: the URL and the status', async () => {
  gateway.overrides.set('/.well-known/jwks.json', () => new Response(null, { status: 502 }))
  expect((await errorOf(create().ready())).message).toBe(
    'the signing keys cannot be fetched: https://auth.example.com/.well-known/jwks.json answered 502',
  )
})

describe('when nobody listens to onFailure', () => {
  test('one warning says what fails, and only one', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    gateway.setDown(true)
    const verifier = createVerifier({ issuer: gateway.issuer, audience: AUDIENCE, fetch: gateway.fetch })
    made.push(verifier)
    await verifier.ready().catch(() => {})
    await verifier.ready().catch(() => {})
    expect(warn).toHaveBeenCalledTimes(1)
    expect(warn.mock.calls[0]?.[0]).toContain(`${CONFIGURATION} cannot be fetched: fetch failed`)
  })

  test('a service that listens gets no warning', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    gateway.setDown(true)
    await create()
      .ready()
      .catch(() => {})
    expect(warn).not.toHaveBeenCalled()
  })
})

test('a missing audience is named when the verifier is made', () => {
  for (const audience of [undefined, '', [], ['']] as unknown as string[]) {
    expect(() => create({ audience })).toThrow(/^audience must not be empty/)
  }
  expect(() => create({ issuer: undefined as unknown as string })).toThrow(/^issuer must be a URL/)
})

test('"Bearer " in front of the token is named', async () => {
  const error = await errorOf(create().verify(`Bearer ${await gateway.token()}`))
  expect(error).toMatchObject({ code: 'token_malformed', message: expect.stringContaining('"Bearer " in front') })
})

test('a token for another service names this service, not what the token says', async () => {
  const error = await errorOf(create().verify(await gateway.token({ claims: { aud: 'https://secret.example.com' } })))
  expect(error.message).toContain(AUDIENCE)
  expect(error.message).not.toContain('secret')
})

describe('a clock that is far off', () => {
  const MINUTES = 60_000
  async function withClock(offMs: number, date = () => new Date(), headers: Record<string, string> = {}) {
    const failures: string[] = []
    const verifier = create({
      now: () => new Date(Date.now() + offMs),
      onFailure: ({ error }) => failures.push(String(error)),
      fetch: async (input, init) => {
        const response = await gateway.fetch(input, init)
        response.headers.set('date', date().toUTCString())
        for (const [name, value] of Object.entries(headers)) response.headers.set(name, value)
        return response
      },
    })
    await verifier.ready()
    return { verifier, failures }
  }

  test('ahead: the refusal and the report say so', async () => {
    const { verifier, failures } = await withClock(60 * MINUTES)
    const error = await errorOf(verifier.verify(await gateway.token()))
    expect(error.code).toBe('token_expired')
    expect(error.message).toMatch(/but this host's clock is 36\d\d s ahead of the gateway's$/)
    expect(failures[0]).toMatch(/this host's clock is 36\d\d s ahead of the gateway's/)
  })

  test('behind: a token that is not valid yet', async () => {
    const { verifier } = await withClock(-60 * MINUTES)
    const nbf = Math.floor(Date.now() / 1000)
    const error = await errorOf(verifier.verify(await gateway.token({ claims: { nbf } })))
    expect(error.message).toMatch(/not valid yet, but this host's clock is 3[56]\d\d s behind the gateway's$/)
  })

  test('within a minute nothing is said', async () => {
    const { verifier, failures } = await withClock(0.9 * MINUTES)
    const error = await errorOf(verifier.verify(await gateway.token({ claims: { exp: 1 } })))
    expect(error.message).toBe('the token has expired')
    expect(failures).toEqual([])
  })

  test('a reply that a cache has kept is as old as the cache says, and one without a date says nothing', async () => {
    const old = () => new Date(Date.now() - 10 * MINUTES)
    expect((await withClock(0, old, { age: '600' })).failures).toEqual([])
    expect((await withClock(0, () => new Date(Number.NaN))).failures).toEqual([])
  })
})

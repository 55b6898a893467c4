/**
 * Alipay mini programs: alipay.system.oauth.token, signed by the app and answered under Alipay's signature, which is checked before
 * anything in the reply is believed (opendocs.alipay.com/common/02kf5q; alipay/alipay-sdk-nodejs-all src/util.ts and src/alipay.ts).
 */
import { type KeyObject, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'
import type { Clock } from '../clock.ts'
import type { AppConfig } from '../config/config.ts'
import { readRsaPrivateKey, readRsaPublicKey } from '../crypto/rsa-keys.ts'
import { parseObject } from './fetch-json.ts'
import { type Exchange, type Platform, PlatformError } from './platform.ts'
import { rawMember } from './raw-member.ts'
import { boundedText, formHeaders, objectIn, type PageParts, type Refusals, refused } from './reply.ts'
import { WHOLE_TIMEOUT_MS } from './time-budget.ts'

const METHOD = 'alipay.system.oauth.token'
const RESPONSE = 'alipay_system_oauth_token_response'

/** By sub_code, or by code where there is none (opendocs.alipay.com/open/common/105806). */
const refusals: Refusals = {
  'isv.code-invalid': 'code_invalid',
  'isv.app-call-limited': 'rate_limited',
  'isv.method-call-limited': 'rate_limited',
  'isp.unknow-error': 'system_busy',
  'aop.unknow-error': 'system_busy',
  20000: 'system_busy',
  'isv.invalid-signature': 'misconfigured',
  'isv.invalid-app-id': 'misconfigured',
  'isv.missing-signature': 'misconfigured',
  'isv.missing-app-id': 'misconfigured',
  'isv.missing-method': 'misconfigured',
  'isv.missing-signature-config': 'misconfigured',
  'isv.insufficient-isv-permissions': 'misconfigured',
}

const signInBackground = promisify(sign)
const verifyInBackground = promisify(verify)

export function createAlipay({ send, apiBase: base = 'https://openapi.alipay.com', clock }: PageParts): Platform {
  // Alipay's own pages print the address with its path.
  const apiBase = base.replace(/\/gateway\.do$/, '')
  const operation = 'alipay.oauthToken'
  const keys = new Map<string, Keys>()

  function keysOf(app: AppConfig): Keys {
    const known = keys.get(app.appid)
    if (known) return known
    const own = readRsaPrivateKey(app.secret)
    const theirs = readRsaPublicKey(app.alipayPublicKey ?? '')
    // The configuration was checked when it was read.
    if (!own || !theirs) throw new Error('an Alipay app without its keys')
    keys.set(app.appid, { own, theirs })
    return { own, theirs }
  }

  return {
    name: 'alipay',
    async exchange(app, code) {
      const { own, theirs } = keysOf(app)
      const common = {
        app_id: app.appid,
        method: METHOD,
        format: 'JSON',
        charset: 'utf-8',
        sign_type: 'RSA2',
        timestamp: beijingTime(clock),
        version: '1.0',
      }
      const asked = { grant_type: 'authorization_code', code }
      const signature = await signInBackground('sha256', Buffer.from(signedText({ ...common, ...asked })), own)
      const { status, text } = await send({
        operation,
        method: 'POST',
        url: `${apiBase}/gateway.do?${new URLSearchParams({ ...common, sign: signature.toString('base64') })}`,
        headers: formHeaders,
        body: new URLSearchParams(asked).toString(),
        timeoutMs: WHOLE_TIMEOUT_MS,
      })
      if (status !== 200) throw new PlatformError(operation, 'status', { errcode: String(status) })
      return readUser(operation, await readSigned(operation, text, theirs))
    },
  }
}

type Keys = { own: KeyObject; theirs: KeyObject }

/** All parameters but the signature, sorted by name, as `name=value` joined by `&`, not URL encoded. */
function signedText(parameters: Record<string, string>): string {
  return Object.keys(parameters)
    .sort()
    .map((name) => `${name}=${parameters[name]}`)
    .join('&')
}

/** `yyyy-MM-dd HH:mm:ss` in the time of Beijing, which has no summer time. */
function beijingTime(clock: Clock): string {
  return new Date(clock.now().getTime() + 8 * 3600_000).toISOString().slice(0, 19).replace('T', ' ')
}

/** What the signature covers, and nothing else: the very characters of the response member, parsed only when they are proved. */
async function readSigned(operation: string, text: string, theirs: KeyObject): Promise<Record<string, unknown>> {
  const whole = parseObject(operation, text)
  // Some refusals come unsigned (a wrong app_id, a wrong signature of ours). A refusal logs nobody in, so it needs no proof.
  if (whole.error_response !== undefined) {
    throw refusedBy(operation, objectIn(operation, whole.error_response, 'error_response'))
  }
  const raw = rawMember(text, RESPONSE)
  const signature = boundedText(whole.sign, 1024)
  const inside = whole[RESPONSE] as { code?: unknown } | undefined
  if (signature === undefined && inside?.code !== undefined && String(inside.code) !== '10000')
    throw refusedBy(operation, objectIn(operation, inside, RESPONSE))
  if (raw === undefined || signature === undefined) throw new PlatformError(operation, 'body', { note: 'unsigned' })
  if (!(await verifyInBackground('sha256', Buffer.from(raw), theirs, Buffer.from(signature, 'base64')))) {
    throw new PlatformError(operation, 'body', { note: 'wrong signature' })
  }
  return parseObject(operation, raw)
}

/** A user is known by open_id, and in apps from before open_id by user_id. There is no session_key. */
function readUser(operation: string, response: Record<string, unknown>): Exchange {
  // A success of this method carries no code; elsewhere 10000 is success.
  if (response.code !== undefined && String(response.code) !== '10000') throw refusedBy(operation, response)
  const openid = boundedText(response.open_id) ?? boundedText(response.user_id)
  if (openid === undefined) throw new PlatformError(operation, 'body', { note: 'no open_id and no user_id' })
  return { openid }
}

const refusedBy = (operation: string, error: Record<string, unknown>): PlatformError =>
  refused(operation, refusals, boundedText(error.sub_code) ?? error.code)

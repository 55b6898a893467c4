/** WeChat's mini-program code as a picture (api_getunlimitedqrcode): what a person scans to open a page of the program with a scene. */
import type { AppConfig } from '../config/config.ts'
import { parseObject, type Send } from './fetch-json.ts'
import { PlatformError } from './platform.ts'
import type { PlatformCredentials } from './platform-credential.ts'
import { throwIfRefused } from './wechat.ts'

const OPERATION = 'getUnlimitedQRCode'
const TIMEOUT_MS = 3000
const WIDTH_PX = 430

export type WechatPictureParts = { send: Send; apiBase: string; credentials: PlatformCredentials }

export function createWechatPicture({ send, apiBase, credentials }: WechatPictureParts) {
  return async (app: AppConfig, scene: string, page: string): Promise<Uint8Array<ArrayBuffer>> =>
    await credentials.use(app, async (credential) => {
      const { status, text, bytes } = await send({
        operation: OPERATION,
        method: 'POST',
        url: `${apiBase}/wxa/getwxacodeunlimit?${new URLSearchParams({ access_token: credential })}`,
        headers: { 'content-type': 'application/json' },
        // The page need not be released yet: the person who scans is told so by WeChat.
        body: JSON.stringify({ scene, page, check_path: false, width: WIDTH_PX }),
        binary: true,
        timeoutMs: TIMEOUT_MS,
      })
      if (status !== 200) throw new PlatformError(OPERATION, 'status', { errcode: String(status) })
      // A success is the picture itself; a refusal is JSON, whatever its Content-Type.
      if (bytes === undefined || text.startsWith('{')) {
        throwIfRefused(OPERATION, parseObject(OPERATION, text))
        throw new PlatformError(OPERATION, 'body', { note: 'no picture' })
      }
      return new Uint8Array(bytes)
    })
}

/** A mini program as the simulator plays it: its codes, its signed data, and the weather it is in. */
import type { Credentials } from './wechat-credentials.ts'
import { signLoginState } from './wechat-crypto.ts'
import type { createOpenData } from './wechat-open-data.ts'
import type { OauthConsent, People } from './wechat-people.ts'
import type { createTraffic } from './wechat-traffic.ts'

export type SimulatorClientParts = {
  people: People
  credentials: Pick<Credentials, 'revoke'>
  openData: ReturnType<typeof createOpenData>
  weather: Omit<ReturnType<typeof createTraffic>, 'pass'>
}

/** Of virtual payment, as its guide's examples have it; it belongs to the payment service. */
export const SIMULATED_APP_KEY = '12345'

export type Payment = { signData: string; paySig: string; signature: string }

export type SimulatorClient = ReturnType<typeof createSimulatorClient>

export function createSimulatorClient({ people, credentials, openData, weather }: SimulatorClientParts) {
  return {
    /** wx.login: a code good for one exchange within five minutes. `unionid: false` hides it from this exchange. */
    login: (appid: string, person: string, options: { unionid?: boolean | undefined } = {}): string =>
      people.mintLogin(appid, person, options.unionid ?? true),
    /** The native SDK's SendAuth, or what a browser comes back with from WeChat's page: a code of WeChat OAuth. */
    oauthCode: (appid: string, person: string, consent: OauthConsent = { scope: 'snsapi_userinfo' }): string =>
      people.mintOauth(appid, person, consent),
    /** The phone button: a code for getPhoneNumber. A number abroad is written `+852 91234567`. */
    phoneCode: (appid: string, person: string, phone?: string): string => people.mintPhone(appid, person, phone),
    /** wx.getUserInfo, signed and encrypted under the person's current session_key. */
    userInfo: openData.userInfo,
    /** The phone button's older `encryptedData` and `iv`. */
    phoneData: openData.phoneData,
    /** wx.requestVirtualPayment: the two signatures over the very text of `signData`, as its guide describes them. */
    requestVirtualPayment(
      appid: string,
      person: string,
      { signData, paySig, signature }: Payment,
    ): { errMsg: string; errCode?: number } {
      const refused = (errCode: number) => ({ errCode, errMsg: 'requestVirtualPayment:fail SIGNATURE_INVALID' })
      if (signLoginState(`requestVirtualPayment&${signData}`, SIMULATED_APP_KEY) !== paySig) return refused(-15006)
      const good = signLoginState(signData, people.member(appid, person).sessionKey) === signature
      return good ? { errMsg: 'requestVirtualPayment:ok' } : refused(-15005)
    },
    openidOf: (appid: string, person: string): string => people.member(appid, person).openid,
    unionidOf: (appid: string, person: string): string | undefined => people.member(appid, person).unionid,
    sessionKeyOf: (appid: string, person: string): string => people.member(appid, person).sessionKey,
    /** Ends a platform credential before its time: 40001 from here on. */
    revokeCredential: credentials.revoke,
    ...weather,
    stats: () => ({ ...weather.stats(), remembered: people.remembered() }),
  }
}

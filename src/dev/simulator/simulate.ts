/** A simulated platform other than WeChat by its name, and what to put into the gateway's environment to log in with it. */
import type { OtherPlatform } from '../../server/config/config.ts'
import { newRsaKeys, simulatedAlipay } from './alipay.ts'
import { simulatedBaidu } from './baidu.ts'
import { simulatedDouyin } from './douyin.ts'
import { simulatedKuaishou } from './kuaishou.ts'
import { type CreatePlatformPage, createPlatformSimulator, type PlatformSimulator } from './other-platforms.ts'
import { simulatedQq } from './qq.ts'
import type { SimulatedApp } from './wechat-people.ts'
import { SIMULATED_CORPID, simulatedWecom } from './wecom.ts'
import { simulatedXiaohongshu } from './xiaohongshu.ts'

const simplePages: Partial<Record<OtherPlatform, CreatePlatformPage>> = {
  qq: simulatedQq,
  douyin: simulatedDouyin,
  baidu: simulatedBaidu,
  kuaishou: simulatedKuaishou,
  xiaohongshu: simulatedXiaohongshu,
}

export type Simulated = {
  simulator: PlatformSimulator
  /** APPS for the gateway. */
  apps: Record<string, string>[]
}

/** Alipay's apps get a new private key, whatever their secret was. */
export function simulatePlatform(platform: OtherPlatform, given: readonly SimulatedApp[], delayMs: number): Simulated {
  const entry = ({ appid, secret }: SimulatedApp) => ({ platform, appid, secret })
  if (platform === 'alipay') {
    const { privateKey: platformKey, publicKey: alipayPublicKey } = newRsaKeys()
    const apps = given.map((app) => ({ ...app, secret: newRsaKeys().privateKey }))
    const simulator = createPlatformSimulator(simulatedAlipay({ platformKey }), { apps, delayMs })
    return { simulator, apps: apps.map((app) => ({ ...entry(app), alipayPublicKey })) }
  }
  if (platform === 'wecom') {
    const page = simulatedWecom(Object.fromEntries(given.map(({ appid, secret }) => [secret, appid])))
    const simulator = createPlatformSimulator(page, { apps: given, delayMs })
    return { simulator, apps: given.map((app) => ({ ...entry(app), corpid: SIMULATED_CORPID })) }
  }
  const page = simplePages[platform]
  if (!page) throw new Error(`no simulated ${platform}`)
  return { simulator: createPlatformSimulator(page, { apps: given, delayMs }), apps: given.map(entry) }
}

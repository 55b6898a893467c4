/** The other platforms: only those of which an app is configured are made, so the others cost nothing. */
import { type AppConfig, type OtherPlatform, otherPlatforms } from '../config/config.ts'
import { createAlipay } from './alipay.ts'
import { createBaidu } from './baidu.ts'
import { createDouyin } from './douyin.ts'
import { createKuaishou } from './kuaishou.ts'
import type { Platform } from './platform.ts'
import { createQq } from './qq.ts'
import type { PageParts } from './reply.ts'
import { createWecom } from './wecom.ts'
import { createXiaohongshu } from './xiaohongshu.ts'

const pages = {
  qq: createQq,
  douyin: createDouyin,
  alipay: createAlipay,
  baidu: createBaidu,
  kuaishou: createKuaishou,
  xiaohongshu: createXiaohongshu,
  wecom: createWecom,
} satisfies Record<OtherPlatform, (parts: PageParts) => Platform>

export type OtherPlatformsParts = Omit<PageParts, 'apiBase'> & {
  apps: readonly AppConfig[]
  /** Where a platform's API is, if not at its public address. */
  apiBases: Partial<Record<OtherPlatform, string>>
}

export function createOtherPlatforms({ apps, apiBases, ...parts }: OtherPlatformsParts): Platform[] {
  return otherPlatforms
    .filter((name) => apps.some((app) => app.platform === name))
    .map((name) => pages[name]({ ...parts, apiBase: apiBases[name]?.replace(/\/+$/, '') }))
}

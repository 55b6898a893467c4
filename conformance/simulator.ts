/** The simulated WeChat in this process, with the apps of a profile. */
import { createWechatSimulator } from '../src/dev/simulator/wechat.ts'
import { type Listener, listen } from '../src/server/serve/listeners.ts'
import type { App, Profile } from './profile.ts'

export const appsOf = ({ apps }: Profile): App[] => Object.values(apps).filter((app) => app !== undefined)

/** Port 0 takes a free one. */
export function startSimulator(profile: Profile, port = 0): Promise<Listener> {
  return listen(createWechatSimulator({ apps: appsOf(profile) }).app, { host: '127.0.0.1', port })
}

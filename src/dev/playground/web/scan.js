/** The page of the program that opens when its user scans the code of another screen: who asks, what speaks against it, yes or no. */
import { byId, setWord } from './dom.js'
import { say } from './words.js'

/** As on the confirm page of examples/miniprogram. */
const OLD_SECONDS = 120

export function createScan({ on, tell, fail, request, tokens }) {
  let scanned

  async function ask(userCode) {
    byId('scan').hidden = true
    scanned = userCode
    const asking = await request({ url: `/api/device?user_code=${encodeURIComponent(userCode)}` })
    const own = (await request({ url: '/api/sessions' })).find(({ current }) => current)
    const { client_name: client, ip, age_seconds: age } = asking
    setWord(byId('scan-who'), 'scanWho', { client, ip: ip ?? say('noAddress'), age: String(age) })
    byId('scan-old').hidden = age <= OLD_SECONDS
    // A phone on mobile data is elsewhere too, so this warns and does not forbid.
    byId('scan-elsewhere').hidden = own?.ip === ip
    byId('scan').hidden = false
  }

  // The picture is on a page beside, which tells its code: this phone has no camera.
  new BroadcastChannel('playground').addEventListener('message', ({ data }) => {
    if (tokens()) ask(data.userCode).catch(fail)
  })

  const decide = (approve) => async () => {
    await request({ url: '/api/device', method: 'POST', data: { user_code: scanned, approve } })
    byId('scan').hidden = true
    tell(approve ? 'scanAllowed' : 'scanRefused')
  }
  on('scan-allow', decide(true))
  on('scan-refuse', decide(false))
}

/** A web page of its own: logged in by a hand-off ticket or by WeChat OAuth, with the browser SDK. */
import { createWebAuth } from './web-sdk.js'

const auth = createWebAuth({ baseURL: location.origin, remember: true })
const byId = (id) => document.getElementById(id)

async function show() {
  const user = auth.user()
  byId('status').textContent = user ? '已登录 Logged in' : '未登录 Not logged in'
  byId('who').textContent = user ? (await auth.request({ url: '/api/user' })).user_id : ''
}

const pages = {
  'wechat-page': ['wxdevpage000000001'],
  'wechat-silent': ['wxdevpage000000001', 'snsapi_base'],
  'wechat-web': ['wxdevweb0000000001'],
}
for (const [id, [appid, scope]] of Object.entries(pages))
  byId(id).addEventListener('click', () =>
    auth.start({ appid, scope, redirectUri: location.origin + location.pathname }),
  )
byId('leave').addEventListener('click', () => auth.logout())
auth.onChange(() => void show())
auth.ready.then(show, (error) => {
  byId('status').textContent = `${error.code} ${error.msg}`
})

/** The shop's pages of the mini program: orders of a business service, and a purchase by wx.requestVirtualPayment. */

const SERVICE = '/playground/business'

export function createShop({ on, tell, request, login, pay }) {
  on('orders', async () => {
    const { orders } = await request({ url: `${SERVICE}/orders` })
    tell('ordersCame', { count: String(orders.length), titles: orders.map((order) => order.title).join(', ') })
  })

  on('buy', async () => {
    await buy().catch(async (error) => {
      // WeChat has another session_key than the gateway: a login anew brings it, and the order is signed again.
      if (error.code !== 'A0240' && error.errCode !== -15005) throw error
      await login({ force: true })
      await buy()
    })
    tell('bought')
  })

  const buy = async () => await pay(await request({ url: `${SERVICE}/pay`, method: 'POST', data: {} }))
}

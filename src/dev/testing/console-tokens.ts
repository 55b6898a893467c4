/** The operators of the console's tests. */

export const BOSS = 'console-boss-0123456789-0123456789-0123'
export const DEPUTY = 'console-deputy-0123456789-0123456789-01'
export const READER = 'console-reader-0123456789-0123456789-01'
export const ORDERS = 'console-orders-0123456789-0123456789-01'
export const consoleTokens = [
  `boss:admin:${BOSS}`,
  `deputy:admin:${DEPUTY}`,
  `reader:admin-read:${READER}`,
  `orders:introspect:${ORDERS}`,
].join()

/** Loaded first by `npm run`: an older Node, which cannot read TypeScript, says what it needs. Plain JavaScript, so that any Node can. */
const needed = 24
const running = process.versions.node

if (Number(running.split('.')[0]) < needed) {
  console.error(
    `Node ${needed} or newer is needed, this is ${running}: run npm ci, which brings one along on Linux, or install it from https://nodejs.org`,
  )
  process.exit(1)
}

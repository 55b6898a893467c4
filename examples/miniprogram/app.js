const auth = require('./auth')

App({
  onLaunch() {
    // Not needed: the first request logs in by itself. It only saves that request the wait.
    auth.login().catch((error) => console.warn('login', error.code, error.requestId))
  },
})

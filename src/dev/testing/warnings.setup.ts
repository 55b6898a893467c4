/** A leak that the runtime warns of fails the run: the warning is thrown, and Vitest reports what nobody catches. */

const failing = ['MaxListenersExceededWarning', 'TimeoutOverflowWarning', 'TimeoutNaNWarning', 'TimeoutNegativeWarning']

process.on('warning', (warning) => {
  if (failing.includes(warning.name)) throw warning
})

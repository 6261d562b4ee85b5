// The Slack of npm `emulate` in a process of its own: what its Web API does is told to `events`, as Slack tells an app.
// It has no public way to hear of its events, so its dispatcher is caught while the module is loaded; no file changes.
import { registerHooks } from 'node:module'
import { createInterface } from 'node:readline'

const [base, events, seed] = [process.argv[2], process.argv[3], JSON.parse(process.argv[4])]
const marks = 'constructor(options = {}) {\n    this.options = options;\n    if (options.neutral)'
registerHooks({
  load(url, context, next) {
    const loaded = next(url, context)
    if (url.endsWith('/emulate/dist/api.js')) {
      const caught = marks.replace('{\n', '{\n    (globalThis.dispatchers ??= []).push(this);\n')
      loaded.source = loaded.source.toString().replace(marks, caught)
    }
    return loaded
  },
})
const { createEmulator } = await import('emulate')
const emulator = await createEmulator({ service: 'slack', port: 0, hostname: '127.0.0.1', baseUrl: base, seed })
const listen = () => {
  for (const one of globalThis.dispatchers) one.register({ url: events, events: ['*'], active: true, owner: 'slack' })
}
listen()
if (!globalThis.dispatchers?.length) throw new Error('this emulate has no dispatcher where it is looked for')
// With `baseUrl` it no longer says where it listens; the only server of this process knows.
const server = process._getActiveHandles().find((one) => one.listening)
console.log(JSON.stringify({ port: server.address().port }))
const lines = createInterface({ input: process.stdin })
lines.on('line', () => {
  emulator.reset()
  listen()
  console.log('{}')
})
lines.on('close', () => process.exit(0))

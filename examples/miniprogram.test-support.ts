/** A phone that runs the sample mini program: WeChat's own compiler and component engine on jsdom, and a `wx` over real HTTP. */
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Payment } from '../src/dev/simulator/wechat-client.ts'
import { createFakeWx } from '../src/dev/testing/fake-wx.ts'

export const sample = fileURLToPath(new URL('miniprogram', import.meta.url))

/** The compiler that DevTools has inside comes for x64 alone; elsewhere miniprogram-simulate's own stands in. */
export const hasOfficialCompiler = process.arch === 'x64'

// The packages declare browser types, which this program does not have; this is the part that is used.
type PageMethods = Record<string, unknown> & { data: Record<string, unknown> }
type Rendered = {
  dom: DomNode
  instance: PageMethods
  attach(parent: object): void
  detach(): void
  toJSON(): Json
  dispatchEvent(this: { dom: DomNode }, name: string, options?: { detail?: unknown }): void
}
type DomNode = { textContent: string; childNodes: DomNode[] }
type Json = { tagName: string; attrs: { name: string; value: unknown }[]; children: (Json | string)[] }
type Simulate = {
  load(path: string, tagName: string, options: { rootPath: string; compiler: string }): string
  render(id: string): Rendered
}
/** One element of the page as it is drawn now. */
type Node = { tag: string; attrs: Record<string, unknown>; dom: DomNode; within: Node[] }
type PageOptions = Record<string, unknown> & { data?: object }

const require = createRequire(import.meta.url)
const scope = globalThis as unknown as Record<string, unknown>

/** What miniprogram-simulate expects to be global. Node's own globals stay: the gateway runs in this process too. */
function loadSimulate(): Simulate {
  const { JSDOM } = require('jsdom')
  const { window } = new JSDOM('<!doctype html><body></body>')
  const { document, CustomEvent, TouchEvent } = window
  Object.assign(scope, { window, document, CustomEvent, TouchEvent })
  const simulate = require('miniprogram-simulate')
  // It knows components only; a page is one whose functions are methods.
  scope.Page = ({ data = {}, ...members }: PageOptions) => {
    const methods = Object.fromEntries(Object.entries(members).filter(([, member]) => typeof member === 'function'))
    ;(scope.Component as (options: object) => void)({ data, methods })
  }
  return simulate
}

const simulate = loadSimulate()
const camelCase = (name: string) => name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())

export function createPhone(parts: {
  baseURL: string
  appid: string
  /** What WeChat hands out to the person who holds the phone. */
  login(): string
  phoneNumber(): object
  /** WeChat's answer to a payment. */
  pay(payment: Payment): { errMsg: string; errCode?: number }
  /** Pictures on the phone, by temporary path. */
  files: Record<string, Uint8Array>
}) {
  // Outside of this repository, whose package.json would make modules of the program's scripts.
  const folder = mkdtempSync(join(tmpdir(), 'miniprogram-'))
  const { pages } = JSON.parse(readFileSync(join(sample, 'app.json'), 'utf8')) as { pages: string[] }
  const { wx, controls } = createFakeWx({ appid: parts.appid, login: parts.login, files: parts.files })
  const toasts: string[] = []
  let ids = new Map<string, string>()
  const stack: { path: string; page: Rendered }[] = []
  /** What the user typed, by input. */
  const typed = new WeakMap<DomNode, string>()
  /** Counts the lives of the program. */
  let starts = 0

  function top() {
    const opened = stack.at(-1)
    if (!opened) throw new Error('the program is not open')
    return opened
  }
  const call = (page: Rendered, lifecycle: string, ...given: unknown[]) => {
    const method = page.instance[lifecycle]
    if (typeof method === 'function') method.apply(page.instance, given)
  }

  function open(url: string): void {
    const [path = '', query = ''] = url.replace(/^\//, '').split('?')
    const id = ids.get(path)
    if (id === undefined) throw new Error(`navigateTo:fail page "${path}" is not found`)
    const covered = stack.at(-1)
    if (covered) call(covered.page, 'onHide')
    const page = simulate.render(id)
    page.attach((scope.document as { body: object }).body)
    stack.push({ path, page })
    call(page, 'onLoad', Object.fromEntries(new URLSearchParams(query)))
    call(page, 'onShow')
    call(page, 'onReady')
  }

  function shut(): void {
    const closed = stack.pop()
    if (!closed) return
    call(closed.page, 'onUnload')
    closed.page.detach()
  }

  function back(): void {
    if (stack.length < 2) throw new Error('navigateBack:fail cannot navigate back at first page')
    shut()
    call(top().page, 'onShow')
  }

  /** A copy of the program that has, like every mini program, a `wx` of its own in scope: one that was killed says nothing more. */
  function install(): string {
    const start = starts
    const rootPath = join(folder, String(start))
    const own = `wx of ${rootPath}`
    const whileAlive =
      <Given>(act: (given: Given) => void) =>
      (given: Given) => {
        if (start === starts) act(given)
      }
    scope[own] = {
      ...wx,
      showToast: whileAlive(({ title }: { title: string }) => void toasts.push(title)),
      navigateTo: whileAlive(({ url }: { url: string }) => open(url)),
      navigateBack: whileAlive(back),
      requestVirtualPayment: whileAlive(
        ({ success, fail, ...payment }: Payment & Record<'success' | 'fail', (answer: object) => void>) => {
          const answer = parts.pay(payment)
          setTimeout(() => (answer.errCode === undefined ? success(answer) : fail(answer)))
        },
      ),
    }
    cpSync(sample, rootPath, { recursive: true })
    writeFileSync(
      join(rootPath, 'config.js'),
      `module.exports = { baseURL: '${parts.baseURL}', shopURL: '${parts.baseURL}/playground/business' }`,
    )
    for (const file of globSync('**/*.js', { cwd: rootPath })) {
      const path = join(rootPath, file)
      writeFileSync(path, `const wx = globalThis[${JSON.stringify(own)}];${readFileSync(path, 'utf8')}`)
    }
    return rootPath
  }

  /** Every element that is drawn, in the order of reading. */
  function drawn(): Node[] {
    const found: Node[] = []
    const walk = (json: Json, dom: DomNode, within: Node[]) => {
      // The official compiler has already made openType of open-type.
      const attrs = Object.fromEntries(json.attrs.map(({ name, value }) => [camelCase(name), value]))
      const node = { tag: json.tagName.replace(/^wx-/, ''), attrs, dom, within }
      found.push(node)
      json.children.forEach((child, index) => {
        const drawnChild = dom.childNodes[index]
        if (typeof child !== 'string' && drawnChild) walk(child, drawnChild, [...within, node])
      })
    }
    const { page } = top()
    walk(page.toJSON(), page.dom, [])
    return found
  }

  const fire = (node: Node, name: string, detail?: unknown) =>
    top().page.dispatchEvent.call({ dom: node.dom }, name, detail === undefined ? {} : { detail })

  function submit(button: Node): void {
    const form = button.within.findLast(({ tag }) => tag === 'form')
    if (!form) throw new Error('a submit button outside of a form')
    const inputs = drawn().filter((node) => node.tag === 'input' && node.within.some(({ dom }) => dom === form.dom))
    const value = Object.fromEntries(
      inputs.map(({ attrs, dom }) => [attrs.name, typed.get(dom) ?? String(attrs.value ?? '')]),
    )
    fire(form, 'submit', { value })
  }

  const phone = {
    controls,
    toasts,
    path: () => top().path,
    text: () => top().page.dom.textContent,
    drawn,
    /** A page's own methods and data. */
    instance: () => top().page.instance,
    open,
    pages,

    /** Starts the program as after it was killed: nothing in memory, everything in storage. */
    start(): void {
      phone.kill()
      const rootPath = install()
      const compiler = hasOfficialCompiler ? 'official' : 'simulate'
      let app: PageOptions = {}
      scope.App = (options: PageOptions) => {
        app = options
      }
      require(join(rootPath, 'app.js'))
      ids = new Map(pages.map((path) => [path, simulate.load(join(rootPath, path), 'page', { rootPath, compiler })]))
      if (typeof app.onLaunch === 'function') app.onLaunch({})
      open(pages[0] ?? '')
    },
    kill(): void {
      starts++
      while (stack.length > 0) {
        stack.at(-1)?.page.detach()
        stack.pop()
      }
    },

    /** What the button's kind makes of a tap. The label is its text; a button that holds a picture has none. */
    tap(label: string): void {
      const buttons = drawn().filter(({ tag }) => tag === 'button')
      const button = buttons.find(({ dom }) => dom.textContent === label)
      if (!button)
        throw new Error(`no button "${label}" among: ${buttons.map(({ dom }) => dom.textContent).join(', ')}`)
      fire(button, 'touchstart')
      fire(button, 'touchend')
      const navigator = button.within.findLast(({ tag }) => tag === 'navigator')
      if (navigator) open(String(navigator.attrs.url))
      if (button.attrs.formType === 'submit') submit(button)
      if (button.attrs.openType === 'getPhoneNumber') fire(button, 'getphonenumber', parts.phoneNumber())
      if (button.attrs.openType === 'chooseAvatar') {
        fire(button, 'chooseavatar', { avatarUrl: Object.keys(parts.files)[0] })
      }
    },
    type(name: string, text: string): void {
      const input = drawn().find(({ tag, attrs }) => tag === 'input' && attrs.name === name)
      if (!input) throw new Error(`no input "${name}"`)
      typed.set(input.dom, text)
    },
    back,
    close(): void {
      phone.kill()
      controls.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }

  return phone
}

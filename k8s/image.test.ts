/** Holds the Dockerfile to what the cluster relies on; .ci/image.sh builds it and runs it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { external } from '../src/dev/tools/build-server.ts'
import { root } from './render.ts'

const instructions = readFileSync(join(root, 'Dockerfile'), 'utf8')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => line !== '')
const last = instructions.slice(instructions.findLastIndex((line) => line.startsWith('FROM ')))
const only = (word: string) =>
  last.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1))

describe('Dockerfile', () => {
  it('runs as a numeric user that is not root, which Kubernetes can verify', () => {
    expect(only('USER')).toEqual([expect.stringMatching(/^[1-9]\d*:[1-9]\d*$/)])
  })
  it('starts node itself, in exec form, so that it is PID 1 and hears SIGTERM', () => {
    expect(only('CMD').map((value) => JSON.parse(value))).toEqual([
      ['node', '--max-semi-space-size=32', 'dist/server/main.js'],
    ])
    expect(only('ENTRYPOINT')).toEqual(['[]'])
  })
  it('needs neither shell nor npm in the last stage: distroless has neither', () => {
    expect(only('RUN')).toEqual([])
    expect(only('HEALTHCHECK').join()).toMatch(/CMD \["node", /)
  })
  it('installs from the lock file and runs no script of a package, then builds the bundle', () => {
    const runs = instructions.filter((line) => line.startsWith('RUN '))
    expect(runs).toEqual([expect.stringMatching(/ npm ci --ignore-scripts /), 'RUN node src/dev/tools/build-server.ts'])
  })
  it('copies nothing but the manifest, the bundle and the packages that stay outside of it with what they need', () => {
    const sources = only('COPY').flatMap((line) =>
      line
        .replace(/^--from=\w+ /, '')
        .split(/\s+/)
        .slice(0, -1),
    )
    const packages = sources.flatMap((path) => /^\/app\/node_modules\/([^/]+)/.exec(path)?.[1] ?? [])
    expect(sources.filter((path) => !path.includes('/node_modules/'))).toEqual([
      'package.json',
      'package-lock.json',
      'LICENSE',
      '/app/dist/server',
    ])
    const needed = (name: string) => {
      const manifest = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8'))
      return Object.keys(manifest.dependencies ?? {})
    }
    const wanted = [...external, ...external.flatMap(needed)].map((name) => name.replace(/^@img\/.*/, '@img'))
    expect(new Set(packages)).toEqual(new Set(wanted))
  })
  it('has bases that can be pinned by digest, and none is "latest"', () => {
    const froms = instructions.filter((line) => line.startsWith('FROM '))
    expect(froms).toEqual([
      // biome-ignore-start lint/suspicious/noTemplateCurlyInString: Docker's own variables
      'FROM ${NODE_IMAGE} AS build',
      'FROM ${RUNTIME_IMAGE}',
      // biome-ignore-end lint/suspicious/noTemplateCurlyInString: Docker's own variables
    ])
    expect(instructions).toContain('ARG NODE_IMAGE=docker.io/library/node:24-slim')
  })
  it('gets a context without tests, development code but the build, or anything that is not named', () => {
    const [first, ...rules] = readFileSync(join(root, '.dockerignore'), 'utf8')
      .replaceAll(/^#.*\n/gm, '')
      .trim()
      .split('\n')
    expect(first).toBe('*')
    expect(rules).toEqual([
      '!package.json',
      '!package-lock.json',
      '!LICENSE',
      '!migrations',
      '!src',
      'src/dev',
      '!src/dev/tools/build-server.ts',
      'src/sdk',
      '**/*.test.ts',
    ])
  })
})

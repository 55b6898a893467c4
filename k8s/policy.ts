/** What every set of manifests must keep to, whichever overlay or component it comes from; each policy returns its findings. */
import { posix } from 'node:path'
import { environmentSchema } from '../src/server/config/environment.ts'
import type { Manifest } from './render.ts'

/** Made by hand or by the external-secrets component (docs/deploy.md), never in a file of this repository. */
export const secretKeys: Record<string, string[]> = {
  'gateway-secrets': ['database-url', 'redis-url', 'encryption-keys', 'wechat-secret', 'admin-tokens'],
  'gateway-migration-secrets': ['database-url'],
  postgres: ['password'],
}
const drainSeconds = 20
// Node's own variables, beside those of the configuration.
const nodeVariables = ['NODE_OPTIONS', 'UV_THREADPOOL_SIZE']
const privatePaths = ['/admin', '/internal', '/oauth2', '/console', '/metrics', '/livez', '/readyz', '/verify', '/']

const workloadKinds = ['Deployment', 'Job', 'CronJob', 'StatefulSet', 'DaemonSet']
const of = (objects: Manifest[], ...kinds: string[]) => objects.filter((object) => kinds.includes(object.kind))
const podOf = (workload: Manifest): Manifest => (workload.spec.jobTemplate ?? workload).spec.template
const containersOf = (pod: Manifest): Manifest[] => [...(pod.spec.initContainers ?? []), ...pod.spec.containers]
const title = (object: Manifest) => `${object.kind}/${object.metadata.name}`
const isOurs = (container: Manifest) => /(^|\/)auth-gateway[:@]/.test(container.image)

const fits = (selector: Record<string, string> | undefined, labels: Record<string, string> | undefined) =>
  Object.entries(selector ?? {}).every(([key, value]) => labels?.[key] === value)

function eachContainer(
  objects: Manifest[],
  look: (container: Manifest, pod: Manifest, workload: Manifest) => (string | false)[],
) {
  return of(objects, ...workloadKinds).flatMap((workload) => {
    const pod = podOf(workload)
    return containersOf(pod).flatMap((container) =>
      look(container, pod, workload).flatMap((finding) =>
        finding ? [`${title(workload)} ${container.name}: ${finding}`] : [],
      ),
    )
  })
}

export const policies: Record<string, (objects: Manifest[]) => string[]> = {
  'every pod meets the restricted pod security standard with a numeric user and a read-only root': (objects) =>
    eachContainer(objects, (container, pod) => {
      const podContext = pod.spec.securityContext ?? {}
      const context = { ...podContext, ...container.securityContext }
      return [
        context.runAsNonRoot !== true && 'may run as root',
        !(Number.isInteger(context.runAsUser) && context.runAsUser > 0) && 'has no numeric user',
        context.seccompProfile?.type !== 'RuntimeDefault' && 'has no seccomp profile',
        context.allowPrivilegeEscalation !== false && 'may escalate privileges',
        context.privileged === true && 'is privileged',
        context.readOnlyRootFilesystem !== true && 'may write its root file system',
        JSON.stringify(context.capabilities) !== '{"drop":["ALL"]}' && 'keeps capabilities',
        (pod.spec.hostNetwork || pod.spec.hostPID || pod.spec.hostIPC) === true && 'shares a namespace of the host',
        (pod.spec.volumes ?? []).some((volume: Manifest) => volume.hostPath) && 'mounts the host',
      ]
    }),

  'no pod is given a service-account token or the addresses of its neighbours': (objects) => [
    ...eachContainer(objects, (_container, pod) => [
      pod.spec.automountServiceAccountToken !== false && 'mounts a service-account token',
      pod.spec.enableServiceLinks !== false && 'gets service links',
    ]),
    ...of(objects, 'ServiceAccount').flatMap((account) =>
      account.automountServiceAccountToken === false ? [] : [title(account)],
    ),
  ],

  'every namespace enforces the restricted standard': (objects) =>
    of(objects, 'Namespace').flatMap((namespace) =>
      namespace.metadata.labels?.['pod-security.kubernetes.io/enforce'] === 'restricted' ? [] : [title(namespace)],
    ),

  'every image has a tag or a digest, and none is "latest"': (objects) =>
    eachContainer(objects, ({ image }) => [
      !/(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})$/.test(image) && `image ${image}`,
    ]),

  'every container has requests and a memory limit, and the heap of Node is a share of it': (objects) =>
    eachContainer(objects, (container) => {
      const options = (container.env ?? []).find((variable: Manifest) => variable.name === 'NODE_OPTIONS')?.value ?? ''
      const percentage = Number(/--max-old-space-size-percentage=(\d+)/.exec(options)?.[1])
      return [
        !container.resources?.requests?.cpu && 'requests no CPU',
        !container.resources?.requests?.memory && 'requests no memory',
        !container.resources?.limits?.memory && 'has no memory limit',
        isOurs(container) && !(percentage >= 50 && percentage <= 80) && 'does not bound its heap',
      ]
    }),

  'every long-running container has probes, and the gateway is alive by its process and ready by its state': (
    objects,
  ) =>
    of(objects, 'Deployment').flatMap((workload) =>
      podOf(workload).spec.containers.flatMap((container: Manifest) => {
        const path = (probe: string) => `${container[probe]?.httpGet?.path} on ${container[probe]?.httpGet?.port}`
        const findings = isOurs(container)
          ? [
              path('startupProbe') !== '/readyz on internal' && 'startup',
              path('livenessProbe') !== '/livez on internal' && 'liveness',
              path('readinessProbe') !== '/readyz on internal' && 'readiness',
            ]
          : [!container.livenessProbe && 'liveness', !container.readinessProbe && 'readiness']
        return findings
          .filter((probe) => probe !== false)
          .map((probe) => `${title(workload)} ${container.name}: ${probe} probe`)
      }),
    ),

  'a pod gets longer to go than preStop and the drain take, and its rollout never goes below the wanted size': (
    objects,
  ) =>
    of(objects, 'Deployment')
      .filter((workload) => podOf(workload).spec.containers.some(isOurs))
      .flatMap((workload) => {
        const { containers, terminationGracePeriodSeconds } = podOf(workload).spec
        const sleep = containers.find(isOurs).lifecycle?.preStop?.sleep?.seconds ?? 0
        return [
          sleep < 5 ? 'preStop does not wait for the endpoints' : '',
          terminationGracePeriodSeconds <= sleep + drainSeconds ? 'the grace period is too short' : '',
          workload.spec.strategy?.rollingUpdate?.maxUnavailable !== 0 ? 'a rollout takes replicas away' : '',
          (podOf(workload).spec.topologySpreadConstraints ?? []).length < 2 ? 'replicas are not spread' : '',
        ].filter((finding) => finding !== '')
      }),

  'every selector selects pods of the set, and a workload selects its own': (objects) => {
    const workloads = of(objects, ...workloadKinds)
    const pods = workloads.map(podOf)
    const selects = (selector: Manifest) => pods.some((pod) => fits(selector, pod.metadata?.labels))
    // Written next to the Job; where the init container takes the Job's place the policy waits for nobody.
    const needed = objects.filter(
      (object) => object.kind !== 'NetworkPolicy' || object.metadata.name !== 'gateway-migration',
    )
    return [
      ...of(workloads, 'Deployment').filter(
        (workload) =>
          !fits(workload.spec.selector.matchLabels, podOf(workload).metadata.labels) ||
          !workload.spec.selector.matchLabels,
      ),
      ...of(objects, 'Service').filter((service) => !service.spec.selector || !selects(service.spec.selector)),
      ...of(objects, 'PodDisruptionBudget').filter((budget) => !selects(budget.spec.selector.matchLabels)),
      ...of(needed, 'NetworkPolicy').filter((policy) => !selects(policy.spec.podSelector.matchLabels)),
      ...of(objects, 'ServiceMonitor').filter(
        (monitor) =>
          !of(objects, 'Service').some(
            (service) =>
              fits(monitor.spec.selector.matchLabels, service.metadata.labels) &&
              monitor.spec.endpoints.every((endpoint: Manifest) =>
                service.spec.ports.some((port: Manifest) => port.name === endpoint.port),
              ),
          ),
      ),
      ...of(objects, 'HorizontalPodAutoscaler', 'ScaledObject').filter(
        ({ spec: { scaleTargetRef: target } }) =>
          !workloads.some((workload) => workload.kind === target.kind && workload.metadata.name === target.name),
      ),
    ].map(title)
  },

  'every port that is named by a service, a probe or a network policy exists in the pods behind it': (objects) => {
    const pods = of(objects, ...workloadKinds).map(podOf)
    const has = (selector: Manifest, port: unknown) =>
      pods
        .filter((pod) => fits(selector, pod.metadata.labels))
        .some((pod) =>
          pod.spec.containers.some((container: Manifest) =>
            (container.ports ?? []).some((one: Manifest) => one.name === port || one.containerPort === port),
          ),
        )
    const services = of(objects, 'Service').flatMap((service) =>
      service.spec.ports
        .filter((port: Manifest) => !has(service.spec.selector, port.targetPort ?? port.port))
        .map((port: Manifest) => `${title(service)} port ${port.name}`),
    )
    const ingress = of(objects, 'NetworkPolicy').flatMap((policy) =>
      (policy.spec.ingress ?? []).flatMap((rule: Manifest) =>
        rule.ports
          .filter((port: Manifest) => !has(policy.spec.podSelector.matchLabels, port.port))
          .map((port: Manifest) => `${title(policy)} port ${port.port}`),
      ),
    )
    return [...services, ...ingress]
  },

  'every config map, secret, volume and service account that is named exists or is on the list of made-by-hand secrets':
    (objects) => {
      const exists = (kind: string, name: string) =>
        objects.some((object) => object.kind === kind && object.metadata.name === name)
      return eachContainer(objects, (container, pod) => [
        ...(container.envFrom ?? []).map(
          (source: Manifest) =>
            !exists('ConfigMap', source.configMapRef?.name) &&
            `environment from ${JSON.stringify(source)} does not exist`,
        ),
        ...(container.volumeMounts ?? []).map(
          (mount: Manifest) =>
            !(pod.spec.volumes ?? []).some((volume: Manifest) => volume.name === mount.name) &&
            `mounts an unknown volume ${mount.name}`,
        ),
        ...(container.volumeMounts ?? []).map(
          (mount: Manifest) => mount.subPath !== undefined && 'uses subPath, which is never updated',
        ),
        ...(pod.spec.volumes ?? []).map(
          (volume: Manifest) =>
            volume.secret && !(volume.secret.secretName in secretKeys) && `unknown secret ${volume.secret.secretName}`,
        ),
        pod.spec.serviceAccountName !== undefined &&
          !exists('ServiceAccount', pod.spec.serviceAccountName) &&
          `unknown service account ${pod.spec.serviceAccountName}`,
      ])
    },

  'secrets reach the process as files: each _FILE names a key of a mounted secret, no variable carries one': (
    objects,
  ) => [
    ...eachContainer(objects, (container, pod) =>
      (container.env ?? []).flatMap((variable: Manifest) => {
        if (variable.valueFrom?.secretKeyRef) return [`${variable.name} comes from a secret as a variable`]
        if (!variable.name.endsWith('_FILE')) return []
        const mount = (container.volumeMounts ?? []).find(
          (one: Manifest) => one.mountPath === posix.dirname(variable.value),
        )
        const volume = (pod.spec.volumes ?? []).find((one: Manifest) => one.name === mount?.name)
        const keys = secretKeys[volume?.secret?.secretName] ?? []
        return [!keys.includes(posix.basename(variable.value)) && `${variable.name} names no secret: ${variable.value}`]
      }),
    ),
    ...of(objects, 'Secret').map((secret) => `${title(secret)} is in the repository`),
    ...of(objects, 'ConfigMap').flatMap((map) =>
      Object.keys(map.data ?? {})
        .filter((name) => /^(DATABASE_URL|REDIS_URL|ENCRYPTION_KEYS|ADMIN_TOKENS|APPS|.*_SECRET)$/.test(name))
        .map((name) => `${title(map)} carries ${name}`),
    ),
    ...of(objects, 'ExternalSecret').flatMap(({ spec }) => {
      const keys = spec.data.map((item: Manifest) => item.secretKey)
      const wanted = secretKeys[spec.target.name] ?? []
      return String(keys) === String(wanted) ? [] : [`ExternalSecret ${spec.target.name} has ${keys}, wanted ${wanted}`]
    }),
  ],

  'the gateway is given only variables that its configuration knows': (objects) => {
    const known = Object.keys(environmentSchema.shape).flatMap((name) => [name, `${name}_FILE`])
    const unknown = (name: string) => ![...known, ...nodeVariables].includes(name)
    return [
      ...eachContainer(objects, (container) =>
        (isOurs(container) ? (container.env ?? []) : []).map(
          (variable: Manifest) => unknown(variable.name) && variable.name,
        ),
      ),
      ...of(objects, 'ConfigMap')
        .filter((map) => map.metadata.name.startsWith('gateway-config'))
        .flatMap((map) => Object.keys(map.data).filter(unknown)),
    ]
  },

  'a public route leads to the public service alone and never to an operators’ path': (objects) => {
    const backends = [
      ...of(objects, 'HTTPRoute').flatMap((route) =>
        route.spec.rules.flatMap((rule: Manifest) =>
          rule.backendRefs.map((backend: Manifest) => ({ name: backend.name, port: backend.port })),
        ),
      ),
      ...of(objects, 'Ingress').flatMap((ingress) =>
        ingress.spec.rules.flatMap((rule: Manifest) =>
          rule.http.paths.map(({ backend }: Manifest) => ({
            name: backend.service.name,
            port: backend.service.port.name,
          })),
        ),
      ),
    ]
    const paths = [
      ...of(objects, 'HTTPRoute').flatMap((route) =>
        route.spec.rules.flatMap((rule: Manifest) => rule.matches.map((match: Manifest) => match.path.value)),
      ),
      ...of(objects, 'Ingress').flatMap((ingress) =>
        ingress.spec.rules.flatMap((rule: Manifest) => rule.http.paths.map((path: Manifest) => path.path)),
      ),
    ]
    return [
      ...backends
        .filter(
          (backend) =>
            backend.name !== 'gateway' ||
            !of(objects, 'Service').some(
              (service) =>
                service.metadata.name === backend.name &&
                service.spec.ports.some((port: Manifest) => port.port === backend.port || port.name === backend.port),
            ),
        )
        .map((backend) => `backend ${backend.name}:${backend.port}`),
      ...paths.filter((path) => privatePaths.includes(path)).map((path) => `path ${path}`),
    ]
  },
}

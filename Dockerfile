# The gateway's image: production dependencies and the TypeScript itself, which Node runs by stripping the types.
# A release pins both bases by digest. Without a shell and npm in the result:
#   docker build --build-arg RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian12 .
ARG NODE_IMAGE=docker.io/library/node:24-slim
ARG RUNTIME_IMAGE=${NODE_IMAGE}

FROM ${NODE_IMAGE} AS deps
WORKDIR /app
COPY package.json package-lock.json ./
# Optional packages are the pinned Node binaries of the development setup (190 MB): the image has its own Node.
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

# One optional package is needed all the same: sharp keeps its native half in `@img/sharp-<os>-<cpu>`.
FROM deps AS native
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${RUNTIME_IMAGE}
LABEL org.opencontainers.image.title="miniprogram-auth-gateway" \
      org.opencontainers.image.description="wx.login in, a signed token out that every service verifies on its own" \
      org.opencontainers.image.licenses="MIT"
# Distroless keeps node in /nodejs/bin; with it on the PATH one command fits both bases.
ENV NODE_ENV=production \
    PATH=/usr/local/bin:/usr/bin:/bin:/nodejs/bin
WORKDIR /app
# Owned by root and read only for the process: a hole in the server cannot rewrite the server.
COPY --from=deps /app/node_modules ./node_modules
COPY --from=native /app/node_modules/@img ./node_modules/@img
COPY package.json package-lock.json ./
COPY migrations ./migrations
COPY src ./src
# Numeric, so that Kubernetes can verify runAsNonRoot.
USER 1000:1000
EXPOSE 8080 9090
# For plain Docker only; Kubernetes has probes of its own. No curl, no shell: distroless has neither.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.ADMIN_PORT ?? 9090}/livez`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Exec form, no npm, no shell in between: node is PID 1 and hears SIGTERM itself.
ENTRYPOINT []
CMD ["node", "--max-semi-space-size=32", "src/main.ts"]

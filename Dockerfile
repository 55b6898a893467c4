# The gateway's image: the bundle of src/dev/tools/build-server.ts, what it leaves outside, and nothing else: no sources, no npm packages.
# A release pins both bases by digest. Without a shell and npm in the result:
#   docker build --build-arg RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian12 .
ARG NODE_IMAGE=docker.io/library/node:24-slim
ARG RUNTIME_IMAGE=${NODE_IMAGE}

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund
COPY migrations ./migrations
COPY src ./src
RUN node src/dev/tools/build-server.ts

FROM ${RUNTIME_IMAGE}
LABEL org.opencontainers.image.title="miniprogram-auth-gateway" \
      org.opencontainers.image.description="wx.login in, a signed token out that every service verifies on its own" \
      org.opencontainers.image.licenses="MIT"
# Distroless keeps node in /nodejs/bin; with it on the PATH one command fits both bases.
ENV NODE_ENV=production \
    PATH=/usr/local/bin:/usr/bin:/bin:/nodejs/bin
WORKDIR /app
# Owned by root and read only for the process: a hole in the server cannot rewrite the server.
# The lock names every package in the bundle and its version, for scanners.
COPY package.json package-lock.json LICENSE ./
# sharp with what it needs: its native half is in `@img/sharp-<os>-<cpu>`.
COPY --from=build /app/node_modules/sharp ./node_modules/sharp
COPY --from=build /app/node_modules/@img ./node_modules/@img
COPY --from=build /app/node_modules/detect-libc ./node_modules/detect-libc
COPY --from=build /app/node_modules/semver ./node_modules/semver
COPY --from=build /app/dist/server ./dist/server
# Numeric, so that Kubernetes can verify runAsNonRoot.
USER 1000:1000
EXPOSE 8080 9090
# For plain Docker only; Kubernetes has probes of its own. No curl, no shell: distroless has neither.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.ADMIN_PORT ?? 9090}/livez`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Exec form, no npm, no shell in between: node is PID 1 and hears SIGTERM itself.
ENTRYPOINT []
CMD ["node", "--max-semi-space-size=32", "dist/server/main.js"]

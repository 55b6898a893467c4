package miniprogram.authgateway.verifier;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSObject;
import com.nimbusds.jose.Payload;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.KeyUse;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.util.Base64URL;
import com.nimbusds.jose.util.JSONObjectUtils;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.zip.DeflaterOutputStream;

/**
 * A small real gateway on a loopback port: it signs, publishes, rotates, ends sessions and goes
 * away, as a test wishes.
 */
public final class TestGateway implements AutoCloseable {
  public static final String AUDIENCE = "https://orders.example.com";

  /** Answers one request in place of the gateway. */
  @FunctionalInterface
  public interface Handler {
    void handle(HttpExchange exchange) throws IOException;
  }

  private final HttpServer server;
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final String issuer;
  private final List<ECKey> published = Collections.synchronizedList(new ArrayList<>());
  private final BitSet ended = new BitSet();
  private final List<String> requests = Collections.synchronizedList(new ArrayList<>());
  private final Map<String, Handler> overrides = new ConcurrentHashMap<>();
  private volatile ECKey active;
  private volatile boolean away;
  private volatile int ttlSeconds = 1;

  public TestGateway() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(threads);
    server.createContext("/", this::handle);
    server.start();
    issuer = "http://127.0.0.1:" + server.getAddress().getPort();
    rotate();
  }

  public String issuer() {
    return issuer;
  }

  public String listUri() {
    return issuer + "/status-lists/1";
  }

  /** Publishes another key and signs with it from now on. */
  public void rotate() {
    try {
      active =
          new ECKeyGenerator(Curve.P_256)
              .keyIDFromThumbprint(true)
              .algorithm(JWSAlgorithm.ES256)
              .keyUse(KeyUse.SIGNATURE)
              .generate();
    } catch (JOSEException error) {
      throw new IllegalStateException(error);
    }
    published.add(active);
  }

  public synchronized void end(int index) {
    ended.set(index);
  }

  public void setAway(boolean away) {
    this.away = away;
  }

  public void setTtlSeconds(int ttlSeconds) {
    this.ttlSeconds = ttlSeconds;
  }

  public void override(String path, Handler handler) {
    overrides.put(path, handler);
  }

  public long asked(String path) {
    synchronized (requests) {
      return requests.stream().filter(path::equals).count();
    }
  }

  /** A good access token of the session with this index; claims that are null are left out. */
  public String token(int index, Map<String, Object> changed) {
    Map<String, Object> claims = new LinkedHashMap<>();
    long now = Instant.now().getEpochSecond();
    claims.put("iss", issuer);
    claims.put("sub", "user-1");
    claims.put("aud", AUDIENCE);
    claims.put("client_id", "wx0000000000000001");
    claims.put("iat", now);
    claims.put("exp", now + 900);
    claims.put("jti", "token-1");
    claims.put("sid", "session-" + index);
    claims.put("status", Map.of("status_list", Map.of("idx", index, "uri", listUri())));
    claims.putAll(changed);
    claims.values().removeIf(value -> value == null);
    return sign("JWT", claims);
  }

  public String token(int index) {
    return token(index, Map.of());
  }

  public String sign(String typ, Map<String, Object> claims) {
    try {
      ECKey key = active;
      JWSHeader header =
          new JWSHeader.Builder(JWSAlgorithm.ES256)
              .keyID(key.getKeyID())
              .type(new JOSEObjectType(typ))
              .build();
      JWSObject jws = new JWSObject(header, new Payload(JSONObjectUtils.toJSONString(claims)));
      jws.sign(new ECDSASigner(key));
      return jws.serialize();
    } catch (JOSEException error) {
      throw new IllegalStateException(error);
    }
  }

  public synchronized String statusList() {
    byte[] bits = new byte[1024 / 8];
    byte[] set = ended.toByteArray(); // Least significant bit first, as the draft wants it.
    System.arraycopy(set, 0, bits, 0, set.length);
    ByteArrayOutputStream compressed = new ByteArrayOutputStream();
    try (DeflaterOutputStream deflater = new DeflaterOutputStream(compressed)) {
      deflater.write(bits);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    long now = Instant.now().getEpochSecond();
    String lst = Base64URL.encode(compressed.toByteArray()).toString();
    return sign(
        "statuslist+jwt",
        Map.of(
            "sub",
            listUri(),
            "iat",
            now,
            "exp",
            now + 600,
            "ttl",
            ttlSeconds,
            "status_list",
            Map.of("bits", 1, "lst", lst)));
  }

  private void handle(HttpExchange exchange) throws IOException {
    try (exchange) {
      String path = exchange.getRequestURI().getPath();
      requests.add(path);
      if (away) return; // Closes the connection with no answer.
      Handler override = overrides.get(path);
      if (override != null) override.handle(exchange);
      else answer(exchange, path);
    }
  }

  private void answer(HttpExchange exchange, String path) throws IOException {
    switch (path) {
      case "/.well-known/openid-configuration" ->
          reply(exchange, "application/json", JSONObjectUtils.toJSONString(metadata()));
      case "/.well-known/jwks.json" -> {
        exchange.getResponseHeaders().set("Cache-Control", "public, max-age=300");
        reply(exchange, "application/json", JSONObjectUtils.toJSONString(jwks()));
      }
      case "/status-lists" ->
          reply(
              exchange,
              "application/json",
              JSONObjectUtils.toJSONString(Map.of("status_lists", List.of(listUri()))));
      case "/status-lists/1" -> reply(exchange, "application/statuslist+jwt", statusList());
      default -> exchange.sendResponseHeaders(404, -1);
    }
  }

  private Map<String, Object> metadata() {
    return Map.of(
        "issuer",
        issuer,
        "jwks_uri",
        issuer + "/.well-known/jwks.json",
        "id_token_signing_alg_values_supported",
        List.of("ES256"),
        "response_types_supported",
        List.of("none"),
        "subject_types_supported",
        List.of("public"),
        "status_list_aggregation_endpoint",
        issuer + "/status-lists");
  }

  private Map<String, Object> jwks() {
    synchronized (published) {
      return Map.of(
          "keys", published.stream().map(key -> key.toPublicJWK().toJSONObject()).toList());
    }
  }

  public static void reply(HttpExchange exchange, String type, String text) throws IOException {
    byte[] body = text.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", type);
    exchange.sendResponseHeaders(200, body.length);
    exchange.getResponseBody().write(body);
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }
}

package bench;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSObject;
import com.nimbusds.jose.JWSSigner;
import com.nimbusds.jose.Payload;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.crypto.RSASSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.jwk.gen.RSAKeyGenerator;
import com.nimbusds.jose.util.Base64URL;
import com.nimbusds.jose.util.JSONObjectUtils;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.zip.DeflaterOutputStream;

/**
 * Publishes one key of each algorithm and one list of a million sessions, a hundredth of which have
 * ended.
 */
final class Gateway implements AutoCloseable {
  static final String AUDIENCE = "https://orders.example.com";
  static final int SESSIONS = 1_000_000;

  final ECKey ec =
      new ECKeyGenerator(Curve.P_256).keyID("ec").algorithm(JWSAlgorithm.ES256).generate();
  final RSAKey rsa =
      new RSAKeyGenerator(2048).keyID("rsa").algorithm(JWSAlgorithm.RS256).generate();
  final String issuer;
  private final HttpServer server;

  Gateway() throws JOSEException, IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    issuer = "http://127.0.0.1:" + server.getAddress().getPort();
    publish(
        "/.well-known/openid-configuration",
        JSONObjectUtils.toJSONString(
            Map.of(
                "issuer",
                issuer,
                "jwks_uri",
                issuer + "/keys",
                "status_list_aggregation_endpoint",
                issuer + "/lists")));
    publish(
        "/keys",
        JSONObjectUtils.toJSONString(
            Map.of(
                "keys",
                List.of(ec.toPublicJWK().toJSONObject(), rsa.toPublicJWK().toJSONObject()))));
    publish(
        "/lists",
        JSONObjectUtils.toJSONString(Map.of("status_lists", List.of(issuer + "/lists/1"))));
    publish("/lists/1", statusList());
    server.start();
  }

  private void publish(String path, String text) {
    byte[] body = text.getBytes(StandardCharsets.UTF_8);
    server.createContext(
        path,
        exchange -> {
          exchange.sendResponseHeaders(200, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
  }

  /** As the gateway makes them; every token of another session. */
  String token(JWK key, int index) throws JOSEException {
    long now = Instant.now().getEpochSecond();
    Map<String, Object> claims = new TreeMap<>();
    claims.put("iss", issuer);
    claims.put("sub", "0199c4a2-7b1e-7c3d-9f00-" + String.format("%012d", index));
    claims.put("aud", AUDIENCE);
    claims.put("client_id", "wx0123456789abcdef");
    claims.put("iat", now);
    claims.put("exp", now + 3600);
    claims.put("jti", "0199c4a2-7b1e-7c3d-9f01-" + String.format("%012d", index));
    claims.put("sid", "0199c4a2-7b1e-7c3d-9f02-" + String.format("%012d", index));
    claims.put(
        "status", Map.of("status_list", Map.of("idx", 2 * index, "uri", issuer + "/lists/1")));
    return sign(key, "JWT", claims);
  }

  /** Only odd indexes have ended, so that every token of the benchmark is good. */
  private String statusList() throws JOSEException {
    byte[] bits = new byte[SESSIONS / 8];
    Random random = new Random(1);
    for (int i = 0; i < SESSIONS / 100; i += 1) {
      int index = random.nextInt(SESSIONS / 2) * 2 + 1;
      bits[index >> 3] |= (byte) (1 << (index & 7));
    }
    ByteArrayOutputStream compressed = new ByteArrayOutputStream();
    try (DeflaterOutputStream deflater = new DeflaterOutputStream(compressed)) {
      deflater.write(bits);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    long now = Instant.now().getEpochSecond();
    Map<String, Object> list =
        Map.of("bits", 1, "lst", Base64URL.encode(compressed.toByteArray()).toString());
    return sign(
        ec,
        "statuslist+jwt",
        Map.of(
            "sub",
            issuer + "/lists/1",
            "iat",
            now,
            "exp",
            now + 3600,
            "ttl",
            3600,
            "status_list",
            list));
  }

  private static String sign(JWK key, String typ, Map<String, Object> claims) throws JOSEException {
    JWSAlgorithm algorithm = JWSAlgorithm.parse(key.getAlgorithm().getName());
    JWSSigner signer =
        key instanceof ECKey ec ? new ECDSASigner(ec) : new RSASSASigner((RSAKey) key);
    JWSHeader header =
        new JWSHeader.Builder(algorithm)
            .keyID(key.getKeyID())
            .type(new JOSEObjectType(typ))
            .build();
    JWSObject jws = new JWSObject(header, new Payload(JSONObjectUtils.toJSONString(claims)));
    jws.sign(signer);
    return jws.serialize();
  }

  @Override
  public void close() {
    server.stop(0);
  }
}

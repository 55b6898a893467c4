package stock;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jose4j.jwa.AlgorithmConstraints.ConstraintType;
import org.jose4j.jwk.HttpsJwks;
import org.jose4j.jwt.MalformedClaimException;
import org.jose4j.jwt.consumer.InvalidJwtException;
import org.jose4j.jwt.consumer.JwtConsumer;
import org.jose4j.jwt.consumer.JwtConsumerBuilder;
import org.jose4j.keys.resolvers.HttpsJwksVerificationKeyResolver;

/**
 * A service on the JDK's own HTTP server that checks tokens with jose4j, its caches as they come;
 * ended sessions are let in until their token expires.
 */
public final class Main {
  private static final String ISSUER = variable("ISSUER", "http://localhost:8080");
  private static final String AUDIENCE = variable("AUDIENCE", ISSUER);
  private static final Pattern BEARER = Pattern.compile("Bearer +(\\S+)", Pattern.CASE_INSENSITIVE);
  private static final int THREADS = 8;

  private Main() {}

  public static void main(String[] arguments) throws IOException {
    JwtConsumer consumer = consumer();
    int port = Integer.parseInt(variable("PORT", "3000"));
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
    server.setExecutor(Executors.newFixedThreadPool(THREADS));
    server.createContext("/me", exchange -> me(exchange, consumer));
    server.start();
  }

  private static JwtConsumer consumer() {
    HttpsJwks keys = new HttpsJwks(ISSUER + "/.well-known/jwks.json");
    keys.setRetainCacheOnErrorDuration(86_400); // The gateway may be away for a day.
    return new JwtConsumerBuilder()
        .setVerificationKeyResolver(new HttpsJwksVerificationKeyResolver(keys))
        .setJwsAlgorithmConstraints(ConstraintType.PERMIT, "ES256", "RS256", "EdDSA")
        .setExpectedType(true, "JWT")
        .setExpectedIssuer(ISSUER)
        .setExpectedAudience(AUDIENCE)
        .setRequireExpirationTime()
        .setRequireSubject()
        .build();
  }

  private static void me(HttpExchange exchange, JwtConsumer consumer) throws IOException {
    String authorization = exchange.getRequestHeaders().getFirst("Authorization");
    Matcher bearer = BEARER.matcher(authorization == null ? "" : authorization);
    if (!bearer.matches()) {
      answer(exchange, 401, "{\"reason\":\"token_missing\"}");
      return;
    }
    try {
      // A UUID: nothing in it to escape.
      String subject = consumer.processToClaims(bearer.group(1)).getSubject();
      answer(exchange, 200, "{\"sub\":\"" + subject + "\"}");
    } catch (InvalidJwtException error) {
      boolean outage = isOutage(error);
      answer(
          exchange,
          outage ? 503 : 401,
          outage ? "{\"reason\":\"keys_unavailable\"}" : "{\"reason\":\"refused\"}");
    } catch (MalformedClaimException error) {
      answer(exchange, 401, "{\"reason\":\"refused\"}");
    }
  }

  /**
   * The keys could not be had. Not the user's fault: a client that is told 401 logs its user out.
   */
  private static boolean isOutage(Throwable error) {
    for (Throwable cause = error; cause != null; cause = cause.getCause()) {
      if (cause instanceof IOException) return true;
    }
    return false;
  }

  private static void answer(HttpExchange exchange, int status, String json) throws IOException {
    byte[] body = json.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "application/json");
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }

  private static String variable(String name, String otherwise) {
    String value = System.getenv(name);
    return value == null || value.isEmpty() ? otherwise : value;
  }
}

/** A service on the JDK's own HTTP server that checks tokens with jose4j; ended sessions are let in until their token expires. */

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jose4j.http.Get;
import org.jose4j.jwa.AlgorithmConstraints.ConstraintType;
import org.jose4j.jwk.HttpsJwks;
import org.jose4j.jwt.MalformedClaimException;
import org.jose4j.jwt.consumer.InvalidJwtException;
import org.jose4j.jwt.consumer.JwtConsumer;
import org.jose4j.jwt.consumer.JwtConsumerBuilder;
import org.jose4j.keys.resolvers.HttpsJwksVerificationKeyResolver;

public class Main {
  private static final String ISSUER = variable("ISSUER", "http://localhost:8080");
  private static final String AUDIENCE = variable("AUDIENCE", ISSUER);
  private static final Pattern BEARER = Pattern.compile("Bearer +(\\S+)", Pattern.CASE_INSENSITIVE);

  public static void main(String[] arguments) throws IOException {
    JwtConsumer consumer = consumer();
    int port = Integer.parseInt(variable("PORT", "3000"));
    HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
    server.setExecutor(Executors.newFixedThreadPool(8));
    server.createContext("/orders", exchange -> orders(exchange, consumer));
    server.start();
  }

  private static JwtConsumer consumer() {
    Get get = new Get();
    get.setConnectTimeout(2000);
    get.setReadTimeout(5000);
    get.setRetries(0);
    HttpsJwks keys = new HttpsJwks(ISSUER + "/.well-known/jwks.json");
    keys.setSimpleHttpGet(get);
    keys.setRetainCacheOnErrorDuration(86_400); // The gateway may be away for a day.
    keys.setRefreshReprieveThreshold(30_000); // An unknown kid costs at most one fetch in 30 s.
    return new JwtConsumerBuilder()
        .setVerificationKeyResolver(new HttpsJwksVerificationKeyResolver(keys))
        .setJwsAlgorithmConstraints(ConstraintType.PERMIT, "ES256")
        .setExpectedType(true, "JWT")
        .setExpectedIssuer(ISSUER)
        .setExpectedAudience(AUDIENCE)
        .setRequireExpirationTime()
        .setRequireSubject()
        .build();
  }

  private static void orders(HttpExchange exchange, JwtConsumer consumer) throws IOException {
    String authorization = exchange.getRequestHeaders().getFirst("Authorization");
    Matcher bearer = BEARER.matcher(authorization == null ? "" : authorization);
    if (!bearer.matches()) {
      refuse(exchange, 401);
      return;
    }
    String userId;
    try {
      userId = consumer.processToClaims(bearer.group(1)).getSubject();
    } catch (InvalidJwtException error) {
      refuse(exchange, isOutage(error) ? 503 : 401);
      return;
    } catch (MalformedClaimException error) {
      refuse(exchange, 401);
      return;
    }
    answer(exchange, 200, "{\"user_id\":\"" + userId + "\"}"); // A UUID: nothing in it to escape.
  }

  /** The keys could not be had. Not the user's fault: a client that is told 401 logs its user out. */
  private static boolean isOutage(Throwable error) {
    for (Throwable cause = error; cause != null; cause = cause.getCause()) {
      if (cause instanceof IOException) return true;
    }
    return false;
  }

  private static void refuse(HttpExchange exchange, int status) throws IOException {
    if (status == 503) exchange.getResponseHeaders().set("Retry-After", "5");
    else exchange.getResponseHeaders().set("WWW-Authenticate", "Bearer error=\"invalid_token\"");
    answer(exchange, status, "{}");
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

package miniprogram.authgateway.verifier;

import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The verifier's only way out to the network: bounded GETs that go to the gateway and nowhere else.
 */
final class GatewaySource {
  private static final Pattern MAX_AGE =
      Pattern.compile("(?:^|[\\s,])max-age=(\\d{1,9})", Pattern.CASE_INSENSITIVE);

  /** The gateway says that there is no such document; every other failure may pass. */
  static final class NotPublished extends IOException {
    private static final long serialVersionUID = 1L;

    NotPublished(String message) {
      super(message);
    }
  }

  /**
   * {@code body} is null when the document has not changed; {@code etag} may be null; {@code
   * maxAgeSeconds} is 0 when none is stated.
   */
  record Answer(byte[] body, String etag, int maxAgeSeconds) {
    boolean changed() {
      return body != null;
    }
  }

  private static final long CLOCK_LIMIT_SECONDS = 60;

  private final URI issuer;
  private final String published;
  private final String reached;
  private final Transport transport;
  private final Timekeeper time;
  private final long timeoutMillis;
  private volatile long aheadSeconds;

  GatewaySource(URI issuer, URI baseUrl, Transport transport, Timekeeper time, long timeoutMillis) {
    this.issuer = issuer;
    this.published = withSlash(canonical(issuer));
    this.reached = withSlash(canonical(baseUrl));
    this.transport = transport;
    this.time = time;
    this.timeoutMillis = timeoutMillis;
  }

  /**
   * Whether a URL lies under the issuer. Whatever does not is never fetched (SSRF; ASVS 5.0
   * V9.1.3).
   */
  boolean publishes(String url) {
    return locateOrNull(url) != null;
  }

  /**
   * Fetches a URL that the gateway published. Throws on every status but 200 and, with an ETag,
   * 304; a 404 is {@link NotPublished}.
   */
  Answer get(String publishedUrl, String accept, int maxBytes, String etagOrNull)
      throws IOException {
    URI url = locateOrNull(publishedUrl);
    if (url == null)
      throw new IOException(
          publishedUrl + " is not under the issuer " + issuer + ", so it is not fetched");
    Map<String, String> headers = new LinkedHashMap<>();
    headers.put("Accept", accept);
    if (etagOrNull != null) headers.put("If-None-Match", etagOrNull);
    Transport.Reply reply = exchange(url, headers, maxBytes);
    if (reply.status() == 304 && etagOrNull != null) return new Answer(null, etagOrNull, 0);
    if (reply.status() == 404) throw new NotPublished(url + " answered 404");
    if (reply.status() != 200) throw new IOException(url + " answered " + reply.status());
    return new Answer(
        reply.body(), reply.headers().get("etag"), maxAge(reply.headers().get("cache-control")));
  }

  private Transport.Reply exchange(URI url, Map<String, String> headers, int maxBytes)
      throws IOException {
    CompletableFuture<Transport.Reply> exchange = transport.get(url, headers, maxBytes);
    try {
      // The limit is for the whole exchange: the JDK's own request timeout ends with the headers.
      if (!time.await(exchange, timeoutMillis))
        throw new IOException(url + " did not answer in time");
      Transport.Reply reply = exchange.join();
      compareClocks(reply.headers());
      return reply;
    } catch (CompletionException error) {
      throw new IOException(
          url + " cannot be fetched: " + reasonOf(error.getCause()), error.getCause());
    } finally {
      exchange.cancel(true);
    }
  }

  /**
   * How far this host's clock is from the gateway's, in words, where that is more than a minute.
   */
  Optional<String> clockError() {
    long ahead = aheadSeconds;
    if (Math.abs(ahead) <= CLOCK_LIMIT_SECONDS) return Optional.empty();
    String where = ahead > 0 ? "ahead of" : "behind";
    return Optional.of(
        "this host's clock is " + Math.abs(ahead) + " s " + where + " the gateway's");
  }

  /** RFC 9110 section 6.6.1, and RFC 9111 section 5.1 for a reply that a cache has kept. */
  private void compareClocks(Map<String, String> headers) {
    try {
      Instant sent =
          DateTimeFormatter.RFC_1123_DATE_TIME.parse(
              headers.getOrDefault("date", ""), Instant::from);
      long age = Long.parseLong(headers.getOrDefault("age", "0"));
      aheadSeconds = Math.round(time.wallMillis() / 1000.0 - sent.getEpochSecond() - age);
    } catch (DateTimeException | NumberFormatException error) {
      // No date, or none that can be read: nothing is known.
    }
  }

  /**
   * An error and what caused it, in one line: of a failed fetch the cause alone says what happened.
   */
  static String reasonOf(Throwable error) {
    String words =
        error.getMessage() == null ? error.getClass().getSimpleName() : error.getMessage();
    Throwable cause = error.getCause();
    if (cause == null || cause.getMessage() == null || words.contains(cause.getMessage()))
      return words;
    return words + ": " + reasonOf(cause);
  }

  private static int maxAge(String cacheControl) {
    Matcher matcher = MAX_AGE.matcher(cacheControl == null ? "" : cacheControl);
    return matcher.find() ? Integer.parseInt(matcher.group(1)) : 0;
  }

  /**
   * {@code https://auth.example.com/status-lists/1} becomes {@code
   * http://gateway.auth-gateway.svc/status-lists/1}.
   */
  private URI locateOrNull(String url) {
    try {
      URI uri = new URI(url);
      if (!isHttp(uri)) return null;
      // Canonical first, so that neither ".." nor "user@host" can lead out of the issuer's own
      // tree.
      String canonical = canonical(uri);
      if (!canonical.startsWith(published)) return null;
      return URI.create(reached + canonical.substring(published.length()));
    } catch (URISyntaxException | IllegalArgumentException error) {
      return null;
    }
  }

  /** An absolute http or https URL with a host and nobody's name in it. */
  static boolean isHttp(URI uri) {
    String scheme = uri.getScheme();
    boolean http = "http".equalsIgnoreCase(scheme) || "https".equalsIgnoreCase(scheme);
    return http && uri.getHost() != null && uri.getRawUserInfo() == null;
  }

  /**
   * Throws IllegalArgumentException on a path that one reader may take for another: an encoded dot,
   * or one ".." too many.
   */
  private static String canonical(URI uri) {
    String scheme = uri.getScheme().toLowerCase(Locale.ROOT);
    String path = uri.normalize().getRawPath();
    if (path.toLowerCase(Locale.ROOT).contains("%2e") || path.startsWith("/..")) {
      throw new IllegalArgumentException("the path is ambiguous");
    }
    boolean defaultPort =
        uri.getPort() == -1 || uri.getPort() == (scheme.equals("http") ? 80 : 443);
    String port = defaultPort ? "" : ":" + uri.getPort();
    String query = uri.getRawQuery() == null ? "" : "?" + uri.getRawQuery();
    return scheme
        + "://"
        + uri.getHost().toLowerCase(Locale.ROOT)
        + port
        + (path.isEmpty() ? "/" : path)
        + query;
  }

  private static String withSlash(String url) {
    return url.endsWith("/") ? url : url + "/";
  }
}

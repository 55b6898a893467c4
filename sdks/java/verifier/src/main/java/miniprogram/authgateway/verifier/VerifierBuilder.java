package miniprogram.authgateway.verifier;

import java.net.URI;
import java.net.URISyntaxException;
import java.net.http.HttpClient;
import java.time.Clock;
import java.time.Duration;
import java.util.Collection;
import java.util.EnumSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;

/** The verifier's options: issuer and audience, and what has a default. */
public final class VerifierBuilder {

  /** What becomes of a token about whose session nothing is known. */
  public enum Policy {
    ALLOW,
    REFUSE
  }

  String issuer;
  Set<String> audience = Set.of();
  URI baseUrl;
  Set<Algorithm> algorithms = EnumSet.allOf(Algorithm.class);
  Duration clockTolerance = Duration.ofSeconds(5);
  Duration maxStale = Duration.ofDays(1);
  Policy onStaleStatus = Policy.ALLOW;
  Policy onMissingStatus = Policy.ALLOW;
  Duration wait = Duration.ofSeconds(2);
  Duration fetchTimeout = Duration.ofSeconds(5);
  HttpClient httpClient;
  Clock clock = Clock.systemUTC();
  Consumer<VerifierFailure> onFailure;

  VerifierBuilder() {}

  /** The gateway's {@code ISSUER}, letter for letter. Required. */
  public VerifierBuilder issuer(String issuer) {
    this.issuer = issuer;
    return this;
  }

  /**
   * The audience this service answers to; with several, a token for any of them is accepted.
   * Required.
   */
  public VerifierBuilder audience(String... audience) {
    return audience(List.of(audience));
  }

  /**
   * The audience this service answers to; with several, a token for any of them is accepted.
   * Required.
   */
  public VerifierBuilder audience(Collection<String> audience) {
    this.audience = Set.copyOf(audience);
    return this;
  }

  /**
   * Where this service reaches the gateway, e.g. {@code http://gateway.auth-gateway.svc}; the
   * issuer by default.
   */
  public VerifierBuilder baseUrl(String baseUrl) {
    this.baseUrl = baseUrl == null ? null : url("baseUrl", baseUrl);
    return this;
  }

  /** Default all three. A key is never used with an algorithm other than its own. */
  public VerifierBuilder algorithms(Collection<Algorithm> algorithms) {
    if (algorithms.isEmpty()) throw new IllegalArgumentException("algorithms must not be empty");
    this.algorithms = EnumSet.copyOf(algorithms);
    return this;
  }

  /** For {@code exp} and {@code nbf}. Default 5 s. */
  public VerifierBuilder clockTolerance(Duration clockTolerance) {
    this.clockTolerance = notNegative("clockTolerance", clockTolerance);
    return this;
  }

  /**
   * How long keys are trusted while the gateway cannot be reached; after that {@code
   * keys_unavailable}. Default 1 day.
   */
  public VerifierBuilder maxStale(Duration maxStale) {
    this.maxStale = notNegative("maxStale", maxStale);
    return this;
  }

  /**
   * What becomes of a token whose status list cannot be had or is past its {@code exp}. {@code
   * ALLOW} (default): accepted unless its session is known to have ended, so what ended during the
   * outage is bounded by the token's own {@code exp}. {@code REFUSE}: {@code status_unavailable}.
   */
  public VerifierBuilder onStaleStatus(Policy onStaleStatus) {
    this.onStaleStatus = Objects.requireNonNull(onStaleStatus);
    return this;
  }

  /**
   * What becomes of a token without a {@code status} claim. Default {@code ALLOW}; {@code REFUSE}:
   * {@code claim_missing}.
   */
  public VerifierBuilder onMissingStatus(Policy onMissingStatus) {
    this.onMissingStatus = Objects.requireNonNull(onMissingStatus);
    return this;
  }

  /** The longest a request waits for the network, in the few cases where it does. Default 2 s. */
  public VerifierBuilder waitAtMost(Duration wait) {
    this.wait = notNegative("waitAtMost", wait);
    return this;
  }

  /** The limit of one fetch, headers and body. Default 5 s. */
  public VerifierBuilder fetchTimeout(Duration fetchTimeout) {
    this.fetchTimeout = notNegative("fetchTimeout", fetchTimeout);
    return this;
  }

  /** For proxies and mutual TLS; must not follow redirects. It stays the caller's to close. */
  public VerifierBuilder httpClient(HttpClient httpClient) {
    this.httpClient = httpClient;
    return this;
  }

  /** For tests. Default the system's. */
  public VerifierBuilder clock(Clock clock) {
    this.clock = Objects.requireNonNull(clock);
    return this;
  }

  /**
   * Told of failures in the background; the verifier goes on and tries again. A service that does
   * not listen is told once, by a warning in the log.
   */
  public VerifierBuilder onFailure(Consumer<VerifierFailure> onFailure) {
    this.onFailure = Objects.requireNonNull(onFailure);
    return this;
  }

  /**
   * Fetches nothing yet: {@link Verifier#ready} does, or the first token. Throws
   * IllegalArgumentException on a gap.
   */
  public Verifier build() {
    URI issuerUrl = issuerUrl();
    Background background = new Background(clock);
    HttpClient client = httpClient;
    if (client == null) client = HttpTransport.defaultClient(background.workers(), fetchTimeout);
    return new Verifier(this, issuerUrl, new HttpTransport(client), background);
  }

  /** For tests: another network and other clocks. */
  Verifier build(Transport transport, Timekeeper time) {
    return new Verifier(this, issuerUrl(), transport, time);
  }

  /**
   * Without issuer or audience the check would mean nothing: such a service must not start (ASVS
   * 5.0 V9.2.3).
   */
  private URI issuerUrl() {
    if (audience.isEmpty() || audience.contains(""))
      throw new IllegalArgumentException("audience must not be empty");
    return url("issuer", issuer);
  }

  private static URI url(String name, String value) {
    try {
      URI url = new URI(value == null ? "" : value);
      if (GatewaySource.isHttp(url)) return url;
    } catch (URISyntaxException error) {
      // As below.
    }
    throw new IllegalArgumentException(name + " must be an http or https URL");
  }

  private static Duration notNegative(String name, Duration value) {
    if (value.isNegative()) throw new IllegalArgumentException(name + " must not be negative");
    return value;
  }
}

package miniprogram.authgateway.verifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.io.OutputStream;
import java.net.http.HttpClient;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import miniprogram.authgateway.verifier.VerifierFailure.Part;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * The verifier as a service uses it: over real HTTP, on real threads. What it accepts and refuses
 * is in the vectors.
 */
@Timeout(60)
class VerifierTest {
  private static final String JWKS = "/.well-known/jwks.json";

  private TestGateway gateway;
  private final List<VerifierFailure> failures = Collections.synchronizedList(new ArrayList<>());
  private final List<Verifier> made = new ArrayList<>();

  @BeforeEach
  void start() throws IOException {
    gateway = new TestGateway();
  }

  @AfterEach
  void stop() {
    made.forEach(Verifier::close);
    gateway.close();
  }

  private VerifierBuilder options() {
    return Verifier.builder()
        .issuer(gateway.issuer())
        .audience(TestGateway.AUDIENCE)
        .onFailure(failures::add);
  }

  private Verifier make(VerifierBuilder options) {
    Verifier verifier = options.build();
    made.add(verifier);
    return verifier;
  }

  private static Reason refusal(Verifier verifier, String token) {
    return assertThrows(VerifierException.class, () -> verifier.verify(token)).reason();
  }

  private static void eventually(BooleanSupplier condition) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() < deadline, "what was awaited did not happen");
      Thread.sleep(20);
    }
  }

  private static Set<Thread> threads() {
    Set<Thread> all = Thread.getAllStackTraces().keySet();
    return all.stream()
        .filter(t -> t.getName().startsWith("auth-gateway-verifier"))
        .collect(java.util.stream.Collectors.toSet());
  }

  @Test
  void a_good_token_gives_its_claims() {
    Map<String, Object> more =
        Map.of(
            "roles",
            List.of("admin"),
            "aud",
            List.of("x", TestGateway.AUDIENCE),
            "openid",
            "o-1",
            "tier",
            2);
    AccessTokenClaims claims = make(options()).verify(gateway.token(5, more));
    assertEquals("user-1", claims.subject());
    assertEquals(gateway.issuer(), claims.issuer());
    assertEquals(List.of("x", TestGateway.AUDIENCE), claims.audience());
    assertEquals("wx0000000000000001", claims.clientId());
    assertEquals("session-5", claims.sessionId());
    assertEquals("token-1", claims.id());
    assertEquals(List.of("admin"), claims.roles());
    assertEquals("o-1", claims.openid().orElseThrow());
    assertTrue(claims.unionid().isEmpty() && claims.platform().isEmpty());
    assertEquals(Duration.ofMinutes(15), Duration.between(claims.issuedAt(), claims.expiresAt()));
    assertEquals(2L, claims.all().get("tier"));
    assertEquals("ES256", claims.header().get("alg"));
    assertThrows(UnsupportedOperationException.class, () -> claims.all().put("sub", "user-2"));
  }

  @Test
  void an_event_gives_its_user_and_what_happened() {
    String type = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
    long now = Instant.now().getEpochSecond();
    Map<String, Object> subject =
        Map.of("format", "iss_sub", "iss", gateway.issuer(), "sub", "user-1");
    Map<String, Object> claims =
        Map.of(
            "iss",
            gateway.issuer(),
            "aud",
            TestGateway.AUDIENCE,
            "iat",
            now,
            "jti",
            "event-1",
            "sub_id",
            subject,
            "events",
            Map.of(type, Map.of("sid", "session-1")));
    SecurityEvent event = make(options()).verifyEvent(gateway.sign("secevent+jwt", claims));
    assertEquals("event-1", event.id());
    assertEquals("user-1", event.subject().orElseThrow());
    assertEquals(Set.of(type), event.types());
    assertEquals("session-1", event.event(type).get("sid"));
    assertTrue(event.event("https://other").isEmpty());
    assertEquals(now, event.issuedAt().getEpochSecond());
  }

  @Test
  void parallel_cold_verifies_make_one_fetch_of_each_document() throws Exception {
    gateway.setTtlSeconds(30);
    Verifier verifier = make(options());
    ExecutorService callers = Executors.newFixedThreadPool(50);
    Callable<AccessTokenClaims> call = () -> verifier.verify(gateway.token(1));
    for (Future<AccessTokenClaims> answer : callers.invokeAll(Collections.nCopies(50, call)))
      answer.get();
    callers.shutdown();
    for (String path : List.of("/.well-known/openid-configuration", JWKS, "/status-lists/1")) {
      assertEquals(1, gateway.asked(path), path);
    }
  }

  @Test
  void an_ended_session_is_refused_within_the_ttl_and_stays_refused_while_the_gateway_is_away()
      throws Exception {
    Verifier verifier = make(options());
    verifier.ready();
    String token = gateway.token(7);
    verifier.verify(token);
    gateway.end(7);
    eventually(() -> gateway.asked("/status-lists/1") >= 3);
    assertEquals(Reason.SESSION_ENDED, refusal(verifier, token));
    gateway.setAway(true);
    eventually(() -> failures.stream().anyMatch(failure -> failure.part() == Part.STATUS));
    assertEquals(Reason.SESSION_ENDED, refusal(verifier, token));
    assertEquals("user-1", verifier.verify(gateway.token(8)).subject());
    assertTrue(verifier.state().statusLists().get(0).failing());
    gateway.setAway(false);
    eventually(() -> !verifier.state().statusLists().get(0).failing());
  }

  @Test
  void a_key_that_signs_the_moment_it_exists_is_found() {
    Verifier verifier = make(options());
    verifier.ready();
    gateway.rotate();
    assertEquals("user-1", verifier.verify(gateway.token(1)).subject());
    assertEquals(2, verifier.state().keys().kids().size());
    assertEquals(2, gateway.asked(JWKS));
  }

  @Test
  void a_gateway_that_is_away_is_an_outage_and_is_found_again() throws Exception {
    gateway.setAway(true);
    Verifier verifier = make(options());
    assertEquals(
        Reason.KEYS_UNAVAILABLE, assertThrows(VerifierException.class, verifier::ready).reason());
    assertEquals(503, refusal(verifier, gateway.token(1)).httpStatus());
    assertFalse(verifier.state().usable());
    gateway.setAway(false);
    eventually(() -> verifier.state().usable());
    assertEquals("user-1", verifier.verify(gateway.token(1)).subject());
  }

  @Test
  void a_reply_that_trickles_is_cut_off_at_the_fetch_timeout() throws Exception {
    gateway.override(JWKS, VerifierTest::trickle);
    Verifier verifier =
        make(options().fetchTimeout(Duration.ofMillis(300)).waitAtMost(Duration.ofSeconds(20)));
    long start = System.nanoTime();
    assertEquals(Reason.KEYS_UNAVAILABLE, refusal(verifier, gateway.token(1)));
    assertTrue(
        System.nanoTime() - start < TimeUnit.SECONDS.toNanos(15),
        "the body is within the limit too");
  }

  private static void trickle(HttpExchange exchange) throws IOException {
    exchange.sendResponseHeaders(200, 0);
    OutputStream body = exchange.getResponseBody();
    try {
      for (int i = 0; i < 600; i += 1) {
        body.write(' ');
        body.flush();
        Thread.sleep(50);
      }
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    }
  }

  @Test
  void a_request_waits_no_longer_than_it_is_told() {
    gateway.override(JWKS, VerifierTest::trickle);
    Verifier verifier = make(options().waitAtMost(Duration.ofMillis(200)));
    long start = System.nanoTime();
    assertEquals(Reason.KEYS_UNAVAILABLE, refusal(verifier, gateway.token(1)));
    assertTrue(
        System.nanoTime() - start < TimeUnit.SECONDS.toNanos(4),
        "it did not wait for the fetch to end");
  }

  @Test
  void a_reply_that_never_ends_is_not_read_to_the_end() {
    gateway.override(
        JWKS,
        exchange -> {
          exchange.sendResponseHeaders(200, 0);
          byte[] chunk = new byte[64 * 1024];
          for (int i = 0; i < 10_000; i += 1) exchange.getResponseBody().write(chunk);
        });
    Verifier verifier = make(options());
    assertEquals(
        Reason.KEYS_UNAVAILABLE, assertThrows(VerifierException.class, verifier::ready).reason());
    assertTrue(
        failures.get(0).error().getCause().getMessage().contains("more than"), failures.toString());
  }

  @Test
  void a_redirect_is_not_followed() throws Exception {
    try (TestGateway other = new TestGateway()) {
      gateway.override(
          JWKS,
          exchange -> {
            exchange.getResponseHeaders().set("Location", other.issuer() + JWKS);
            exchange.sendResponseHeaders(302, -1);
          });
      assertThrows(VerifierException.class, make(options())::ready);
      assertEquals(0, other.asked(JWKS));
    }
  }

  @Test
  void a_client_that_follows_redirects_is_not_taken() {
    HttpClient follower =
        HttpClient.newBuilder().followRedirects(HttpClient.Redirect.NORMAL).build();
    assertThrows(IllegalArgumentException.class, () -> options().httpClient(follower).build());
  }

  @Test
  void everything_is_fetched_through_baseUrl_while_the_issuer_stays_the_public_one() {
    String issuer = "https://auth.example.com/tenant";
    gateway.override(
        "/inner/.well-known/openid-configuration",
        exchange ->
            TestGateway.reply(
                exchange,
                "application/json",
                "{\"issuer\":\"" + issuer + "\",\"jwks_uri\":\"" + issuer + "/keys\"}"));
    Verifier verifier =
        make(
            Verifier.builder()
                .issuer(issuer)
                .audience("x")
                .baseUrl(gateway.issuer() + "/inner")
                .onFailure(failures::add));
    assertThrows(VerifierException.class, verifier::ready);
    assertEquals(1, gateway.asked("/inner/keys"));
  }

  @Test
  void an_exception_holds_no_part_of_the_token() {
    String token = gateway.token(1, Map.of("exp", 1L, "openid", "oSecretOpenid"));
    Verifier verifier = make(options());
    VerifierException refusal = assertThrows(VerifierException.class, () -> verifier.verify(token));
    assertEquals(Reason.TOKEN_EXPIRED, refusal.reason());
    assertFalse(
        refusal.toString().matches("(?s).*(oSecretOpenid|user-1|session-1|eyJ).*"),
        refusal.toString());
    assertEquals(null, refusal.getCause());
  }

  @Test
  void a_failure_handler_that_itself_fails_does_not_stop_the_polling() throws Exception {
    gateway.setAway(true);
    Verifier verifier =
        make(
            options()
                .onFailure(
                    failure -> {
                      throw new IllegalStateException("the log is full");
                    }));
    assertThrows(VerifierException.class, verifier::ready);
    gateway.setAway(false);
    eventually(() -> verifier.state().usable());
  }

  @Test
  void a_closed_verifier_fetches_nothing_more_has_no_threads_and_still_knows_what_it_knew()
      throws Exception {
    Verifier verifier = make(options());
    verifier.ready();
    String token = gateway.token(1);
    verifier.verify(token);
    assertTrue(threads().stream().allMatch(Thread::isDaemon));
    assertFalse(threads().isEmpty());
    verifier.close();
    eventually(() -> threads().isEmpty());
    long asked = gateway.asked("/status-lists/1");
    Thread.sleep(2500); // Two polls and a half, if it went on.
    assertEquals(asked, gateway.asked("/status-lists/1"));
    assertEquals("user-1", verifier.verify(token).subject());
    gateway.rotate();
    assertEquals(Reason.KEY_UNKNOWN, refusal(verifier, gateway.token(1)));
  }

  @Test
  void closing_ends_a_wait_for_the_network() throws Exception {
    gateway.override(JWKS, VerifierTest::trickle);
    Verifier verifier =
        make(options().waitAtMost(Duration.ofSeconds(50)).fetchTimeout(Duration.ofSeconds(50)));
    ExecutorService caller = Executors.newSingleThreadExecutor();
    Future<Reason> refused = caller.submit(() -> refusal(verifier, gateway.token(1)));
    eventually(() -> gateway.asked(JWKS) == 1);
    verifier.close();
    assertEquals(Reason.KEYS_UNAVAILABLE, refused.get(10, TimeUnit.SECONDS));
    caller.shutdown();
  }

  @Test
  void an_interrupted_request_ends_at_once_and_stays_interrupted() {
    gateway.override(JWKS, VerifierTest::trickle);
    Verifier verifier = make(options().waitAtMost(Duration.ofSeconds(50)));
    Thread.currentThread().interrupt();
    assertEquals(Reason.KEYS_UNAVAILABLE, refusal(verifier, gateway.token(1)));
    assertTrue(Thread.interrupted());
  }

  /** A program whose main method ends without having closed its verifier. */
  public static void main(String[] arguments) {
    Verifier verifier =
        Verifier.builder().issuer(arguments[0]).audience(TestGateway.AUDIENCE).build();
    verifier.ready();
    System.out.println(verifier.verify(arguments[1]).subject());
  }

  @Test
  void a_program_that_forgets_to_close_its_verifier_ends_all_the_same() throws Exception {
    String java = System.getProperty("java.home") + "/bin/java";
    String token = gateway.token(1);
    Process program =
        new ProcessBuilder(
                java,
                "-cp",
                System.getProperty("java.class.path"),
                VerifierTest.class.getName(),
                gateway.issuer(),
                token)
            .redirectErrorStream(true)
            .start();
    assertTrue(program.waitFor(40, TimeUnit.SECONDS), "it ended");
    assertEquals("user-1", new String(program.getInputStream().readAllBytes()).trim());
    assertEquals(0, program.exitValue());
  }

  @Test
  void a_verifier_with_a_gap_in_its_configuration_is_not_made() {
    List<VerifierBuilder> gaps =
        List.of(
            Verifier.builder().audience("a"),
            Verifier.builder().issuer("").audience("a"),
            Verifier.builder().issuer("auth.example.com").audience("a"),
            Verifier.builder().issuer("ftp://auth.example.com").audience("a"),
            Verifier.builder().issuer("https://user@auth.example.com").audience("a"),
            Verifier.builder().issuer("https://auth.example.com"),
            Verifier.builder().issuer("https://auth.example.com").audience(List.of()),
            Verifier.builder().issuer("https://auth.example.com").audience(""));
    for (VerifierBuilder gap : gaps) assertThrows(IllegalArgumentException.class, gap::build);
    assertThrows(IllegalArgumentException.class, () -> Verifier.builder().algorithms(Set.of()));
    assertThrows(
        IllegalArgumentException.class,
        () -> Verifier.builder().clockTolerance(Duration.ofSeconds(-1)));
    assertThrows(IllegalArgumentException.class, () -> Verifier.builder().baseUrl("nowhere"));
  }
}

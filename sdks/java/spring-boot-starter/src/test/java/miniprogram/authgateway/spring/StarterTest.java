package miniprogram.authgateway.spring;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.Principal;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import miniprogram.authgateway.verifier.TestGateway;
import miniprogram.authgateway.verifier.Verifier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.security.access.prepost.PreAuthorize;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.method.configuration.EnableMethodSecurity;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.oauth2.core.OAuth2Error;
import org.springframework.security.oauth2.core.OAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2TokenValidatorResult;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** The starter inside real Spring Boot applications, over HTTP. */
class StarterTest {
  private TestGateway gateway;
  private final List<ConfigurableApplicationContext> started = new ArrayList<>();
  private final HttpClient client = HttpClient.newHttpClient();

  @BeforeEach
  void start() throws IOException {
    gateway = new TestGateway();
  }

  @AfterEach
  void stop() {
    started.forEach(ConfigurableApplicationContext::close);
    gateway.close();
  }

  @Configuration
  @EnableAutoConfiguration
  @EnableMethodSecurity
  @RestController
  static class Application {
    @GetMapping("/me")
    String me(Principal principal) {
      return principal.getName();
    }

    @GetMapping("/admin")
    @PreAuthorize("hasRole('admin')")
    String admin() {
      return "in";
    }
  }

  /** What the application itself asks of a token. */
  @Configuration
  static class OwnValidator {
    @Bean
    OAuth2TokenValidator<Jwt> noStrangers() {
      OAuth2TokenValidatorResult refusal =
          OAuth2TokenValidatorResult.failure(new OAuth2Error("invalid_token", "a stranger", null));
      return jwt ->
          "stranger".equals(jwt.getSubject()) ? refusal : OAuth2TokenValidatorResult.success();
    }
  }

  /** An application that answers refusals in the gateway's envelope. */
  @Configuration
  static class WithEnvelope {
    @Bean
    SecurityFilterChain security(HttpSecurity http, GatewayEntryPoint refusals) throws Exception {
      return http.authorizeHttpRequests(
              requests ->
                  requests.requestMatchers("/admin").hasRole("admin").anyRequest().authenticated())
          .oauth2ResourceServer(
              server ->
                  server
                      .jwt(Customizer.withDefaults())
                      .authenticationEntryPoint(refusals)
                      .accessDeniedHandler(refusals))
          .build();
    }
  }

  private ConfigurableApplicationContext run(List<Class<?>> configuration, String... properties) {
    SpringApplicationBuilder builder =
        new SpringApplicationBuilder(configuration.toArray(Class<?>[]::new));
    builder.properties(
        "server.port=0",
        "server.address=127.0.0.1",
        "spring.main.banner-mode=off",
        "logging.level.root=warn");
    ConfigurableApplicationContext application = builder.properties(properties).run();
    started.add(application);
    return application;
  }

  private ConfigurableApplicationContext run(String... properties) {
    return run(List.of(Application.class), properties);
  }

  private HttpResponse<String> get(
      ConfigurableApplicationContext application, String path, String token) throws Exception {
    String port = application.getEnvironment().getProperty("local.server.port");
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path));
    if (token != null) request.header("Authorization", "Bearer " + token);
    return client.send(request.build(), HttpResponse.BodyHandlers.ofString());
  }

  private String issuer() {
    return "auth-gateway.issuer=" + gateway.issuer();
  }

  private static String why(HttpResponse<String> response) {
    return response.headers().firstValue("WWW-Authenticate").orElse("");
  }

  @Test
  void the_issuer_is_all() throws Exception {
    var application = run(issuer());
    String token = gateway.token(1, Map.of("aud", gateway.issuer()));
    assertThat(get(application, "/me", token).body()).isEqualTo("user-1");
    assertThat(get(application, "/me", null).statusCode()).isEqualTo(401);
    HttpResponse<String> foreign = get(application, "/me", gateway.token(1));
    assertThat(foreign.statusCode()).isEqualTo(401);
    assertThat(why(foreign)).contains("invalid_token").contains("audience_mismatch");
  }

  @Test
  void keys_and_lists_are_loaded_before_the_first_request() {
    run(issuer());
    assertThat(gateway.asked("/.well-known/jwks.json")).isEqualTo(1);
    assertThat(gateway.asked("/status-lists/1")).isGreaterThanOrEqualTo(1);
  }

  @Test
  void an_ended_session_is_refused() throws Exception {
    var application = run(issuer(), "auth-gateway.audience=" + TestGateway.AUDIENCE);
    assertThat(get(application, "/me", gateway.token(7)).statusCode()).isEqualTo(200);
    gateway.end(7);
    HttpResponse<String> refused = refusedAfterAWhile(application, gateway.token(7));
    assertThat(why(refused))
        .contains("error=\"invalid_token\"")
        .contains("error_description=\"session_ended\"");
    assertThat(get(application, "/me", gateway.token(8)).statusCode()).isEqualTo(200);
  }

  private HttpResponse<String> refusedAfterAWhile(
      ConfigurableApplicationContext application, String token) throws Exception {
    for (int i = 0; i < 200; i += 1) {
      HttpResponse<String> response = get(application, "/me", token);
      if (response.statusCode() != 200) return response;
      Thread.sleep(50);
    }
    throw new AssertionError("the ended session is still let in");
  }

  @Test
  void roles_of_the_token_are_roles_of_the_application() throws Exception {
    var application = run(issuer(), "auth-gateway.audience=" + TestGateway.AUDIENCE);
    assertThat(get(application, "/admin", gateway.token(1)).statusCode()).isEqualTo(403);
    assertThat(
            get(application, "/admin", gateway.token(1, Map.of("roles", List.of("admin"))))
                .statusCode())
        .isEqualTo(200);
  }

  @Test
  void an_outage_is_503_and_ends_by_itself() throws Exception {
    gateway.setAway(true);
    var application = run(issuer(), "auth-gateway.audience=" + TestGateway.AUDIENCE);
    HttpResponse<String> response = get(application, "/me", gateway.token(1));
    assertThat(response.statusCode()).isEqualTo(503);
    assertThat(response.headers().firstValue("Retry-After")).contains("5");
    assertThat(response.body())
        .contains("\"code\":\"B0320\"")
        .contains("\"reason\":\"keys_unavailable\"");
    gateway.setAway(false);
    for (int i = 0;
        get(application, "/me", gateway.token(1)).statusCode() == 503 && i < 200;
        i += 1) Thread.sleep(50);
    assertThat(get(application, "/me", gateway.token(1)).statusCode()).isEqualTo(200);
  }

  @Test
  void springs_own_decoder_stays_and_gets_the_status_check_as_a_validator() throws Exception {
    String spring = "spring.security.oauth2.resourceserver.jwt.";
    var application =
        run(
            issuer(),
            spring + "issuer-uri=" + gateway.issuer(),
            spring + "audiences=" + TestGateway.AUDIENCE);
    assertThat(application.getBean(JwtDecoder.class)).isNotInstanceOf(GatewayJwtDecoder.class);
    assertThat(get(application, "/me", gateway.token(7)).statusCode()).isEqualTo(200);
    gateway.end(7);
    assertThat(why(refusedAfterAWhile(application, gateway.token(7)))).contains("session_ended");
    assertThat(get(application, "/me", gateway.token(8)).statusCode()).isEqualTo(200);
  }

  @Test
  void with_springs_decoder_a_list_that_cannot_be_had_is_503_for_a_service_that_fails_closed()
      throws Exception {
    gateway.override("/status-lists/1", exchange -> exchange.sendResponseHeaders(500, -1));
    String spring = "spring.security.oauth2.resourceserver.jwt.";
    var application =
        run(
            issuer(),
            spring + "issuer-uri=" + gateway.issuer(),
            "auth-gateway.on-stale-status=refuse");
    HttpResponse<String> response = get(application, "/me", gateway.token(1));
    assertThat(response.statusCode()).isEqualTo(503);
    assertThat(response.body()).contains("status_unavailable");
  }

  @Test
  void the_applications_own_validators_are_asked_too() throws Exception {
    var application =
        run(
            List.of(Application.class, OwnValidator.class),
            issuer(),
            "auth-gateway.audience=" + TestGateway.AUDIENCE);
    assertThat(get(application, "/me", gateway.token(1)).statusCode()).isEqualTo(200);
    HttpResponse<String> refused =
        get(application, "/me", gateway.token(1, Map.of("sub", "stranger")));
    assertThat(refused.statusCode()).isEqualTo(401);
    assertThat(why(refused)).contains("a stranger");
  }

  @Test
  void refusals_are_answered_in_the_gateways_envelope_where_the_application_wants_it()
      throws Exception {
    var application =
        run(
            List.of(Application.class, WithEnvelope.class),
            issuer(),
            "auth-gateway.audience=" + TestGateway.AUDIENCE);
    HttpResponse<String> none = get(application, "/me", null);
    assertThat(none.statusCode()).isEqualTo(401);
    assertThat(none.body()).contains("\"code\":\"A0230\"").contains("\"reason\":\"token_missing\"");
    assertThat(why(none)).startsWith("Bearer");
    assertThat(get(application, "/me", "two words").body()).contains("token_malformed");
    assertThat(get(application, "/me", "nonsense").body()).contains("token_malformed");
    String expired = gateway.token(1, Map.of("exp", 1));
    assertThat(get(application, "/me", expired).body()).contains("token_expired");
    assertThat(why(get(application, "/me", expired)))
        .contains("error_description=\"token_expired\"");
    HttpResponse<String> denied = get(application, "/admin", gateway.token(1));
    assertThat(denied.statusCode()).isEqualTo(403);
    assertThat(denied.body()).contains("\"code\":\"A0312\"").contains("role_missing");
    assertThat(why(denied)).contains("insufficient_scope");
  }

  @Test
  void springs_validators_give_the_reason_to_the_envelope_too() throws Exception {
    String spring = "spring.security.oauth2.resourceserver.jwt.";
    var application =
        run(
            List.of(Application.class, WithEnvelope.class),
            issuer(),
            spring + "issuer-uri=" + gateway.issuer());
    gateway.end(7);
    assertThat(get(application, "/me", gateway.token(8)).statusCode()).isEqualTo(200);
    assertThat(refusedAfterAWhile(application, gateway.token(7)).body()).contains("session_ended");
  }

  @Test
  void without_an_issuer_nothing_is_made() {
    var application = run();
    assertThat(application.getBeanProvider(Verifier.class).getIfAvailable()).isNull();
    assertThat(application.getBeanProvider(GatewayOutageFilter.class).getIfAvailable()).isNull();
  }

  @Test
  void every_option_reaches_the_verifier_and_a_customizer_has_the_last_word() {
    List<String> asked = new ArrayList<>();
    VerifierCustomizer customizer = verifier -> asked.add("asked");
    SpringApplicationBuilder builder =
        new SpringApplicationBuilder(Application.class)
            .initializers(
                context ->
                    ((org.springframework.context.support.GenericApplicationContext) context)
                        .registerBean(VerifierCustomizer.class, () -> customizer))
            .properties(
                "server.port=0",
                "spring.main.banner-mode=off",
                "logging.level.root=warn",
                issuer());
    String prefix = "auth-gateway.";
    var application =
        builder
            .properties(
                prefix + "audience=a,b",
                prefix + "base-url=" + gateway.issuer(),
                prefix + "algorithms=ES256,EdDSA",
                prefix + "clock-tolerance=10s",
                prefix + "max-stale=2h",
                prefix + "on-stale-status=refuse",
                prefix + "on-missing-status=refuse",
                prefix + "wait-at-most=1s",
                prefix + "fetch-timeout=3s",
                prefix + "preload=false")
            .run();
    started.add(application);
    AuthGatewayProperties properties = application.getBean(AuthGatewayProperties.class);
    assertThat(properties.audience()).containsExactly("a", "b");
    assertThat(properties.maxStale()).hasHours(2);
    assertThat(asked).hasSize(1);
    assertThat(gateway.asked("/.well-known/jwks.json")).isZero();
  }

  @Test
  void the_verifier_ends_with_the_application() throws Exception {
    var application = run(issuer());
    application.close();
    long asked = gateway.asked("/status-lists/1");
    Thread.sleep(1500);
    assertThat(gateway.asked("/status-lists/1")).isEqualTo(asked);
  }
}

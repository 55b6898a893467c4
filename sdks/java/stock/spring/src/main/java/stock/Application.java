package stock;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.context.annotation.Bean;
import org.springframework.security.authentication.AuthenticationServiceException;
import org.springframework.security.authentication.InsufficientAuthenticationException;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtDecoderInitializationException;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.filter.OncePerRequestFilter;

/**
 * A resource server of Spring Security that is given the issuer and nothing of ours; ended sessions
 * are let in until their token expires.
 */
@SpringBootApplication
@RestController
public class Application {
  private static final int BEFORE_SPRING_SECURITY = -101;

  public static void main(String[] arguments) {
    SpringApplication.run(Application.class, arguments);
  }

  @GetMapping("/me")
  Map<String, String> me(@AuthenticationPrincipal Jwt token) {
    return Map.of("sub", token.getSubject());
  }

  /** As Spring Boot makes it, but for a body that says why. */
  @Bean
  SecurityFilterChain security(HttpSecurity http) throws Exception {
    return http.authorizeHttpRequests(requests -> requests.anyRequest().authenticated())
        .oauth2ResourceServer(
            server ->
                server
                    .jwt(Customizer.withDefaults())
                    .authenticationEntryPoint(
                        (request, response, error) -> {
                          boolean missing = error instanceof InsufficientAuthenticationException;
                          answer(response, 401, missing ? "token_missing" : "refused");
                        }))
        .build();
  }

  /**
   * Without this filter Spring Security answers 401 while it has no keys: what it throws makes
   * Tomcat ask for the error page, and that page, like every other, wants a token. A client that is
   * told 401 logs its user out.
   */
  @Bean
  FilterRegistrationBean<OncePerRequestFilter> outage() {
    OncePerRequestFilter filter =
        new OncePerRequestFilter() {
          @Override
          protected void doFilterInternal(
              HttpServletRequest request, HttpServletResponse response, FilterChain chain)
              throws ServletException, IOException {
            try {
              chain.doFilter(request, response);
            } catch (AuthenticationServiceException | JwtDecoderInitializationException error) {
              answer(response, 503, "keys_unavailable");
            }
          }
        };
    FilterRegistrationBean<OncePerRequestFilter> registration =
        new FilterRegistrationBean<>(filter);
    registration.setOrder(BEFORE_SPRING_SECURITY);
    return registration;
  }

  private static void answer(HttpServletResponse response, int status, String reason)
      throws IOException {
    response.setStatus(status);
    response.setContentType("application/json");
    byte[] body = "{\"reason\":\"%s\"}".formatted(reason).getBytes(StandardCharsets.UTF_8);
    response.getOutputStream().write(body);
  }
}

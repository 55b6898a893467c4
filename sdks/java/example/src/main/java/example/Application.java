package example;

import java.util.Map;
import miniprogram.authgateway.spring.GatewayEntryPoint;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** A service that knows who asks, and refuses a session within seconds of its end. */
@SpringBootApplication
@RestController
public class Application {
  public static void main(String[] arguments) {
    SpringApplication.run(Application.class, arguments);
  }

  @GetMapping("/me")
  Map<String, String> me(@AuthenticationPrincipal Jwt token) {
    return Map.of("sub", token.getSubject());
  }

  /** Without this bean Spring Boot's own does the same, except that a refusal then has no body. */
  @Bean
  SecurityFilterChain security(HttpSecurity http, GatewayEntryPoint refusals) throws Exception {
    return http.authorizeHttpRequests(requests -> requests.anyRequest().authenticated())
        .oauth2ResourceServer(
            server ->
                server
                    .jwt(Customizer.withDefaults())
                    .authenticationEntryPoint(refusals)
                    .accessDeniedHandler(refusals))
        .build();
  }
}

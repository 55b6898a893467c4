package miniprogram.authgateway.spring;

import miniprogram.authgateway.verifier.Verifier;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnWebApplication;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.context.annotation.Bean;
import org.springframework.security.oauth2.server.resource.authentication.JwtAuthenticationConverter;
import org.springframework.security.oauth2.server.resource.authentication.JwtGrantedAuthoritiesConverter;

/**
 * What a servlet application needs besides: the claim {@code roles} as Spring's roles, and 503 for
 * an outage.
 */
@AutoConfiguration(
    after = AuthGatewayAutoConfiguration.class,
    afterName = {
      "org.springframework.boot.security.oauth2.server.resource.autoconfigure.servlet.OAuth2ResourceServerAutoConfiguration", // Spring Boot 4
      "org.springframework.boot.autoconfigure.security.oauth2.resource.servlet.OAuth2ResourceServerAutoConfiguration" // Spring Boot 3
    })
@ConditionalOnBean(Verifier.class)
@ConditionalOnWebApplication(type = ConditionalOnWebApplication.Type.SERVLET)
public class AuthGatewayWebAutoConfiguration {
  /** Outside Spring Security's chain, which Spring Boot orders at -100. */
  private static final int BEFORE_SPRING_SECURITY = -101;

  /**
   * After Spring Boot's own, which is there when {@code authorities-claim-name} and its kin are
   * set.
   */
  @Bean
  @ConditionalOnMissingBean
  JwtAuthenticationConverter authGatewayRoles() {
    JwtGrantedAuthoritiesConverter roles = new JwtGrantedAuthoritiesConverter();
    roles.setAuthoritiesClaimName("roles");
    roles.setAuthorityPrefix("ROLE_");
    JwtAuthenticationConverter converter = new JwtAuthenticationConverter();
    converter.setJwtGrantedAuthoritiesConverter(roles);
    return converter;
  }

  @Bean
  @ConditionalOnMissingBean
  GatewayEntryPoint authGatewayEntryPoint() {
    return new GatewayEntryPoint();
  }

  @Bean
  @ConditionalOnMissingBean(name = "authGatewayOutageFilter")
  FilterRegistrationBean<GatewayOutageFilter> authGatewayOutageFilter() {
    FilterRegistrationBean<GatewayOutageFilter> registration =
        new FilterRegistrationBean<>(new GatewayOutageFilter());
    registration.setOrder(BEFORE_SPRING_SECURITY);
    return registration;
  }
}

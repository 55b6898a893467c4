package miniprogram.authgateway.spring;

import java.util.List;
import miniprogram.authgateway.verifier.Verifier;
import miniprogram.authgateway.verifier.VerifierBuilder;
import miniprogram.authgateway.verifier.VerifierException;
import miniprogram.authgateway.verifier.VerifierFailure;
import org.apache.commons.logging.Log;
import org.apache.commons.logging.LogFactory;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.ApplicationRunner;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBooleanProperty;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.autoconfigure.condition.NoneNestedConditions;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Conditional;
import org.springframework.security.oauth2.core.OAuth2TokenValidator;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtDecoder;

/**
 * {@code auth-gateway.issuer} makes a verifier and puts it where Spring Boot's resource server
 * looks: as the decoder or, where the service has a decoder of its own, as one more validator.
 */
@AutoConfiguration(
    beforeName = {
      "org.springframework.boot.security.oauth2.server.resource.autoconfigure.servlet.OAuth2ResourceServerAutoConfiguration", // Spring Boot 4
      "org.springframework.boot.autoconfigure.security.oauth2.resource.servlet.OAuth2ResourceServerAutoConfiguration" // Spring Boot 3
    })
@ConditionalOnProperty("auth-gateway.issuer")
@EnableConfigurationProperties(AuthGatewayProperties.class)
public class AuthGatewayAutoConfiguration {
  private static final Log log = LogFactory.getLog(AuthGatewayAutoConfiguration.class);

  @Bean
  @ConditionalOnMissingBean
  Verifier authGatewayVerifier(
      AuthGatewayProperties properties, ObjectProvider<VerifierCustomizer> customizers) {
    VerifierBuilder builder = properties.verifier().onFailure(AuthGatewayAutoConfiguration::warn);
    customizers.orderedStream().forEach(customizer -> customizer.customize(builder));
    return builder.build();
  }

  @Bean
  @ConditionalOnMissingBean
  LiveSessionValidator authGatewayLiveSessionValidator(Verifier verifier) {
    return new LiveSessionValidator(verifier);
  }

  @Bean
  @ConditionalOnMissingBean(JwtDecoder.class)
  @Conditional(NoDecoderOfSpringsOwn.class)
  GatewayJwtDecoder authGatewayJwtDecoder(
      Verifier verifier, ObjectProvider<OAuth2TokenValidator<Jwt>> validators) {
    // The verifier has looked at the session already.
    List<OAuth2TokenValidator<Jwt>> more =
        validators
            .orderedStream()
            .filter(validator -> !(validator instanceof LiveSessionValidator))
            .toList();
    return new GatewayJwtDecoder(verifier, more);
  }

  @Bean
  @ConditionalOnBooleanProperty(name = "auth-gateway.preload", matchIfMissing = true)
  ApplicationRunner authGatewayPreload(Verifier verifier) {
    return arguments -> {
      try {
        verifier.ready();
      } catch (VerifierException error) {
        log.warn("The gateway's keys are not there yet; tokens are answered 503 until they are");
      }
    };
  }

  private static void warn(VerifierFailure failure) {
    log.warn(
        "The gateway's "
            + failure.part()
            + " cannot be fetched from "
            + failure.url()
            + ": "
            + failure.error());
  }

  /**
   * A service that tells Spring where the keys are keeps Spring's decoder, and gets the status
   * check as a validator.
   */
  static final class NoDecoderOfSpringsOwn extends NoneNestedConditions {
    NoDecoderOfSpringsOwn() {
      super(ConfigurationPhase.REGISTER_BEAN);
    }

    @ConditionalOnProperty("spring.security.oauth2.resourceserver.jwt.issuer-uri")
    static final class Issuer {}

    @ConditionalOnProperty("spring.security.oauth2.resourceserver.jwt.jwk-set-uri")
    static final class Keys {}

    @ConditionalOnProperty("spring.security.oauth2.resourceserver.jwt.public-key-location")
    static final class PublicKey {}
  }
}

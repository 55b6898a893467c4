package miniprogram.authgateway.spring;

import java.util.List;
import java.util.Map;
import miniprogram.authgateway.verifier.AccessTokenClaims;
import miniprogram.authgateway.verifier.Reason;
import miniprogram.authgateway.verifier.Verifier;
import miniprogram.authgateway.verifier.VerifierException;
import org.springframework.core.convert.converter.Converter;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2TokenValidatorResult;
import org.springframework.security.oauth2.jwt.BadJwtException;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtValidationException;
import org.springframework.security.oauth2.jwt.MappedJwtClaimSetConverter;

/**
 * Spring Security's decoder with the gateway's verifier inside, followed by the application's own
 * validators.
 */
public final class GatewayJwtDecoder implements JwtDecoder {
  private static final Converter<Map<String, Object>, Map<String, Object>> CLAIMS =
      MappedJwtClaimSetConverter.withDefaults(Map.of());

  private final Verifier verifier;
  private final OAuth2TokenValidator<Jwt> more;

  public GatewayJwtDecoder(Verifier verifier, List<OAuth2TokenValidator<Jwt>> more) {
    this.verifier = verifier;
    this.more = new DelegatingOAuth2TokenValidator<>(more);
  }

  @Override
  public Jwt decode(String token) {
    AccessTokenClaims claims;
    try {
      claims = verifier.verify(token);
    } catch (VerifierException refusal) {
      if (refusal.reason().httpStatus() == 503) throw new GatewayUnavailableException(refusal);
      // Spring puts the message into WWW-Authenticate as error_description: the code, never text
      // from the token.
      throw new BadJwtException(refusal.reason().code(), refusal);
    }
    Jwt jwt = jwt(token, claims);
    OAuth2TokenValidatorResult result = more.validate(jwt);
    if (result.hasErrors()) {
      String why = result.getErrors().iterator().next().getDescription();
      throw new JwtValidationException(why == null ? "invalid" : why, result.getErrors());
    }
    return jwt;
  }

  private static Jwt jwt(String token, AccessTokenClaims claims) {
    try {
      return Jwt.withTokenValue(token)
          .headers(headers -> headers.putAll(claims.header()))
          .claims(all -> all.putAll(CLAIMS.convert(claims.all())))
          .build();
    } catch (RuntimeException error) {
      // Spring's form is narrower than JWT's: it has no time beyond the year 1000000000, say.
      throw new BadJwtException(Reason.CLAIM_INVALID.code());
    }
  }
}

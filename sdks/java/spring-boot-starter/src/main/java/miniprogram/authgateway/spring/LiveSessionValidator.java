package miniprogram.authgateway.spring;

import miniprogram.authgateway.verifier.Verifier;
import miniprogram.authgateway.verifier.VerifierException;
import org.springframework.security.oauth2.core.OAuth2Error;
import org.springframework.security.oauth2.core.OAuth2ErrorCodes;
import org.springframework.security.oauth2.core.OAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2TokenValidatorResult;
import org.springframework.security.oauth2.jwt.Jwt;

/**
 * The status check alone, as one validator among Spring Security's own: for a service that keeps
 * Spring's decoder. Spring Boot hands every validator bean to the decoder that it makes.
 */
public final class LiveSessionValidator implements OAuth2TokenValidator<Jwt> {
  private final Verifier verifier;

  public LiveSessionValidator(Verifier verifier) {
    this.verifier = verifier;
  }

  @Override
  public OAuth2TokenValidatorResult validate(Jwt token) {
    try {
      verifier.requireLiveSession(token.getClaims());
      return OAuth2TokenValidatorResult.success();
    } catch (VerifierException refusal) {
      // An outage is no fault of the token's: Spring would answer 401, and a client that is told
      // 401 logs its user out.
      if (refusal.reason().httpStatus() == 503) throw new GatewayUnavailableException(refusal);
      String code = refusal.reason().code();
      return OAuth2TokenValidatorResult.failure(
          new OAuth2Error(OAuth2ErrorCodes.INVALID_TOKEN, code, null));
    }
  }
}

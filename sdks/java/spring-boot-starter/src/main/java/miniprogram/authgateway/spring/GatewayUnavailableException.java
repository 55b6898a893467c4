package miniprogram.authgateway.spring;

import miniprogram.authgateway.verifier.VerifierException;
import org.springframework.security.oauth2.jwt.JwtException;

/**
 * The token could not be judged, because keys or status lists cannot be had. Not a {@code
 * BadJwtException}, so Spring Security does not answer 401; {@link GatewayOutageFilter} answers
 * 503.
 */
public final class GatewayUnavailableException extends JwtException {
  private static final long serialVersionUID = 1L;

  GatewayUnavailableException(VerifierException refusal) {
    super(refusal.reason().code(), refusal);
  }
}

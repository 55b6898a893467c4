package miniprogram.authgateway.spring;

import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.Arrays;
import java.util.Optional;
import miniprogram.authgateway.verifier.Reason;
import miniprogram.authgateway.verifier.VerifierException;
import org.springframework.security.access.AccessDeniedException;
import org.springframework.security.authentication.InsufficientAuthenticationException;
import org.springframework.security.core.AuthenticationException;
import org.springframework.security.oauth2.core.OAuth2Error;
import org.springframework.security.oauth2.jwt.JwtValidationException;
import org.springframework.security.oauth2.server.resource.web.BearerTokenAuthenticationEntryPoint;
import org.springframework.security.oauth2.server.resource.web.access.BearerTokenAccessDeniedHandler;
import org.springframework.security.web.AuthenticationEntryPoint;
import org.springframework.security.web.access.AccessDeniedHandler;

/**
 * Spring Security's own answers (RFC 6750) with a body: the gateway's envelope and the reason. Not
 * used unless the application puts it into its filter chain.
 */
public final class GatewayEntryPoint implements AuthenticationEntryPoint, AccessDeniedHandler {
  private final AuthenticationEntryPoint bearer = new BearerTokenAuthenticationEntryPoint();
  private final AccessDeniedHandler denied = new BearerTokenAccessDeniedHandler();

  @Override
  public void commence(
      HttpServletRequest request, HttpServletResponse response, AuthenticationException error)
      throws IOException, ServletException {
    bearer.commence(request, response, error);
    Envelope.LOG_IN_AGAIN.write(response, reason(error).code());
  }

  @Override
  public void handle(
      HttpServletRequest request, HttpServletResponse response, AccessDeniedException error)
      throws IOException, ServletException {
    denied.handle(request, response, error);
    Envelope.NOT_ALLOWED.write(response, Reason.ROLE_MISSING.code());
  }

  private static Reason reason(AuthenticationException error) {
    if (error instanceof InsufficientAuthenticationException) return Reason.TOKEN_MISSING;
    for (Throwable cause = error; cause != null; cause = cause.getCause()) {
      if (cause instanceof VerifierException refusal) return refusal.reason();
      if (cause instanceof JwtValidationException refusal)
        return ofValidators(refusal).orElse(Reason.CLAIM_INVALID);
    }
    return Reason.TOKEN_MALFORMED;
  }

  /**
   * Validators have no other place for the reason than the description: ours puts the code there.
   */
  private static Optional<Reason> ofValidators(JwtValidationException refusal) {
    return refusal.getErrors().stream()
        .map(OAuth2Error::getDescription)
        .flatMap(
            code -> Arrays.stream(Reason.values()).filter(reason -> reason.code().equals(code)))
        .findFirst();
  }
}

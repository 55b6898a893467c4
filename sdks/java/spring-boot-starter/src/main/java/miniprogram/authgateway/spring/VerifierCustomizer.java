package miniprogram.authgateway.spring;

import miniprogram.authgateway.verifier.VerifierBuilder;

/**
 * A bean of this type has the last word on the verifier: an HTTP client with mutual TLS, a listener
 * for failures.
 */
@FunctionalInterface
public interface VerifierCustomizer {
  void customize(VerifierBuilder verifier);
}

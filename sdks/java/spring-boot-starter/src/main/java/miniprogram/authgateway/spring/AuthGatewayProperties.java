package miniprogram.authgateway.spring;

import java.time.Duration;
import java.util.List;
import java.util.Set;
import miniprogram.authgateway.verifier.Algorithm;
import miniprogram.authgateway.verifier.Verifier;
import miniprogram.authgateway.verifier.VerifierBuilder;
import miniprogram.authgateway.verifier.VerifierBuilder.Policy;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * {@code auth-gateway.*} in application.yml.
 *
 * @param issuer The gateway's ISSUER, letter for letter. Everything else has a default.
 * @param audience The audience this service answers to; with several, a token for any of them is
 *     accepted. The issuer by default, as the gateway's own AUDIENCE.
 * @param baseUrl Where this service reaches the gateway, such as http://gateway.auth-gateway.svc.
 *     The issuer by default.
 * @param algorithms What the gateway may sign with. A key is never used with an algorithm other
 *     than its own. All three by default.
 * @param clockTolerance For exp and nbf.
 * @param maxStale How long keys are trusted while the gateway cannot be reached.
 * @param onStaleStatus What becomes of a token whose status list cannot be had or has expired:
 *     allow, or refuse with 503.
 * @param onMissingStatus What becomes of a token without a status claim: allow, or refuse.
 * @param waitAtMost The longest a request waits for the network, in the few cases where it does.
 * @param fetchTimeout The limit of one fetch in the background.
 * @param preload Whether keys and status lists are loaded when the application starts, so that no
 *     request waits for them. A gateway that is away does not keep the application from starting.
 */
@ConfigurationProperties("auth-gateway")
public record AuthGatewayProperties(
    String issuer,
    List<String> audience,
    String baseUrl,
    @DefaultValue({"ES256", "RS256", "EDDSA"}) Set<Algorithm> algorithms,
    @DefaultValue("5s") Duration clockTolerance,
    @DefaultValue("1d") Duration maxStale,
    @DefaultValue("allow") Policy onStaleStatus,
    @DefaultValue("allow") Policy onMissingStatus,
    @DefaultValue("2s") Duration waitAtMost,
    @DefaultValue("5s") Duration fetchTimeout,
    @DefaultValue("true") boolean preload) {

  VerifierBuilder verifier() {
    return Verifier.builder()
        .issuer(issuer)
        .audience(audience == null || audience.isEmpty() ? List.of(issuer) : audience)
        .baseUrl(baseUrl == null || baseUrl.isBlank() ? null : baseUrl)
        .algorithms(algorithms)
        .clockTolerance(clockTolerance)
        .maxStale(maxStale)
        .onStaleStatus(onStaleStatus)
        .onMissingStatus(onMissingStatus)
        .waitAtMost(waitAtMost)
        .fetchTimeout(fetchTimeout);
  }
}

package bench;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSVerifier;
import com.nimbusds.jose.crypto.ECDSAVerifier;
import com.nimbusds.jose.crypto.RSASSAVerifier;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.source.ImmutableJWKSet;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.List;
import java.util.Set;
import miniprogram.authgateway.verifier.Verifier;

/**
 * Prints what the verifier costs beside bare Nimbus: CPU of one verification, in alternating rounds
 * on one thread, and memory of a list of a million sessions. Every side verifies the same tokens.
 */
public final class Main {
  private static final int TOKENS = 200;

  private Main() {}

  @FunctionalInterface
  private interface Side {
    void verify(String token) throws Exception;
  }

  public static void main(String[] arguments) throws Exception {
    boolean quick = Arrays.asList(arguments).contains("--quick");
    try (Gateway gateway = new Gateway()) {
      memory(gateway);
      try (Verifier verifier = verifier(gateway)) {
        verifier.ready();
        cpu("ES256", gateway, gateway.ec, verifier, quick);
        cpu("RS256", gateway, gateway.rsa, verifier, quick);
      }
    }
  }

  private static Verifier verifier(Gateway gateway) {
    return Verifier.builder().issuer(gateway.issuer).audience(Gateway.AUDIENCE).build();
  }

  private static void cpu(String name, Gateway gateway, JWK key, Verifier verifier, boolean quick)
      throws Exception {
    List<String> tokens = new ArrayList<>();
    for (int index = 0; index < TOKENS; index += 1) tokens.add(gateway.token(key, index));
    Side bare = bare(gateway, key);
    Side processor = processor(gateway, key);
    Side ours = verifier::verify;
    int rounds = quick ? 7 : 31;
    warmUp(List.of(bare, processor, ours), tokens, quick ? 1 : 3);
    List<Double> toBare = new ArrayList<>();
    List<Double> toProcessor = new ArrayList<>();
    List<Double> micros = new ArrayList<>();
    for (int i = 0; i < rounds; i += 1) {
      // Each of ours stands between two of the others, so that what drifts drifts for both.
      double bareBefore = round(bare, tokens);
      double processorBefore = round(processor, tokens);
      double our = round(ours, tokens);
      double processorAfter = round(processor, tokens);
      double bareAfter = round(bare, tokens);
      toBare.add(our / ((bareBefore + bareAfter) / 2));
      toProcessor.add(our / ((processorBefore + processorAfter) / 2));
      micros.add(our);
    }
    System.out.printf(
        "%s: verify takes %.1f us of CPU; %.2f times bare Nimbus (goal: at most 1.15), %.2f times"
            + " Nimbus's JWT processor%n",
        name, median(micros), median(toBare), median(toProcessor));
  }

  /** Until the compiler has seen enough of every side. */
  private static void warmUp(List<Side> sides, List<String> tokens, int seconds) throws Exception {
    ThreadMXBean threads = ManagementFactory.getThreadMXBean();
    long end = threads.getCurrentThreadCpuTime() + sides.size() * seconds * 1_000_000_000L;
    while (threads.getCurrentThreadCpuTime() < end) {
      for (Side side : sides) round(side, tokens);
    }
  }

  /**
   * CPU time of this thread alone, in microseconds for each token: what others do on the machine
   * does not count.
   */
  private static double round(Side side, List<String> tokens) throws Exception {
    ThreadMXBean threads = ManagementFactory.getThreadMXBean();
    long start = threads.getCurrentThreadCpuTime();
    for (String token : tokens) side.verify(token);
    return (threads.getCurrentThreadCpuTime() - start) / 1000.0 / tokens.size();
  }

  /**
   * The least that Nimbus can do: parse, one ready verifier, the registered claims compared. No key
   * is looked for.
   */
  private static Side bare(Gateway gateway, JWK key) throws JOSEException {
    JWSVerifier verifier =
        key instanceof ECKey ec ? new ECDSAVerifier(ec) : new RSASSAVerifier((RSAKey) key);
    return token -> {
      SignedJWT jwt = SignedJWT.parse(token);
      if (!jwt.verify(verifier)) throw new IllegalStateException("signature");
      JWTClaimsSet claims = jwt.getJWTClaimsSet();
      boolean good =
          gateway.issuer.equals(claims.getIssuer())
              && claims.getAudience().contains(Gateway.AUDIENCE);
      if (!good || claims.getExpirationTime().before(new Date()))
        throw new IllegalStateException("claims");
    };
  }

  /** Nimbus as its documentation shows it, with the keys in memory. */
  private static Side processor(Gateway gateway, JWK key) {
    DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();
    JWSAlgorithm algorithm = JWSAlgorithm.parse(key.getAlgorithm().getName());
    processor.setJWSKeySelector(
        new JWSVerificationKeySelector<>(
            algorithm,
            new ImmutableJWKSet<>(new JWKSet(List.of(gateway.ec, gateway.rsa)).toPublicJWKSet())));
    JWTClaimsSet exact = new JWTClaimsSet.Builder().issuer(gateway.issuer).build();
    processor.setJWTClaimsSetVerifier(
        new DefaultJWTClaimsVerifier<>(
            Gateway.AUDIENCE, exact, Set.of("sub", "exp", "iat", "jti")));
    return token -> processor.process(token, null);
  }

  private static double median(List<Double> values) {
    Collections.sort(values);
    return values.get(values.size() / 2);
  }

  /** What the heap holds more with several verifiers that have the list, for each of them. */
  private static void memory(Gateway gateway) throws Exception {
    verifierThatIsReady(gateway).close(); // Classes and caches that come with the first.
    int count = 20;
    List<Verifier> verifiers = new ArrayList<>();
    long before = usedBytes();
    for (int i = 0; i < count; i += 1) verifiers.add(verifierThatIsReady(gateway));
    long each = (usedBytes() - before) / count;
    int lists = verifiers.get(0).state().statusLists().size();
    System.out.printf(
        "memory: %d KB for each verifier with %d list of a million sessions (goal: at most"
            + " 1,000)%n",
        each / 1000, lists);
    verifiers.forEach(Verifier::close);
  }

  private static Verifier verifierThatIsReady(Gateway gateway) {
    Verifier verifier = verifier(gateway);
    verifier.ready();
    return verifier;
  }

  private static long usedBytes() throws InterruptedException {
    for (int i = 0; i < 4; i += 1) {
      System.gc();
      Thread.sleep(50);
    }
    Runtime runtime = Runtime.getRuntime();
    return runtime.totalMemory() - runtime.freeMemory();
  }
}

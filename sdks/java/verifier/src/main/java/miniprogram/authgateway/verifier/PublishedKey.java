package miniprogram.authgateway.verifier;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSVerifier;
import com.nimbusds.jose.crypto.ECDSAVerifier;
import com.nimbusds.jose.crypto.RSASSAVerifier;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.KeyOperation;
import com.nimbusds.jose.jwk.OctetKeyPair;
import com.nimbusds.jose.jwk.RSAKey;
import java.text.ParseException;
import java.util.Map;

/** One public key of the gateway's JWKS, ready for use with its own algorithm and with no other. */
final class PublishedKey {
  private static final int MIN_RSA_BITS = 2048; // RFC 7518 section 3.3.

  private final Algorithm algorithm;
  private final JWSHeader header;
  private final JWSVerifier verifier;

  private PublishedKey(Algorithm algorithm, JWSVerifier verifier) {
    this.algorithm = algorithm;
    this.header = new JWSHeader(JWSAlgorithm.parse(algorithm.code()));
    this.verifier = verifier;
  }

  /** Throws when the JWK is not a public key for this algorithm. */
  static PublishedKey parse(Map<String, Object> jwk, Algorithm algorithm)
      throws ParseException, JOSEException {
    JWK key = JWK.parse(jwk);
    if (key.isPrivate()) throw new JOSEException("only public keys belong in a JWKS");
    if (key.getKeyOperations() != null && !key.getKeyOperations().contains(KeyOperation.VERIFY)) {
      throw new JOSEException("this key is not for verifying");
    }
    return new PublishedKey(
        algorithm,
        switch (algorithm) {
          case ES256 -> es256(key);
          case RS256 -> rs256(key);
          case EDDSA -> eddsa(key);
        });
  }

  Algorithm algorithm() {
    return algorithm;
  }

  /** Throws {@code signature_invalid}. */
  void requireSignature(CompactJws jws) {
    try {
      if (verifier.verify(header, jws.signingInput(), jws.signature())) return;
    } catch (JOSEException error) {
      // A signature that the JDK cannot even read does not fit either.
    }
    throw new VerifierException(Reason.SIGNATURE_INVALID, "invalid signature");
  }

  private static JWSVerifier es256(JWK key) throws JOSEException {
    if (!(key instanceof ECKey ec) || !Curve.P_256.equals(ec.getCurve()))
      throw new JOSEException("ES256 needs P-256");
    return new ECDSAVerifier(ec);
  }

  private static JWSVerifier rs256(JWK key) throws JOSEException {
    if (!(key instanceof RSAKey rsa) || rsa.size() < MIN_RSA_BITS)
      throw new JOSEException("RS256 needs 2048 bits");
    return new RSASSAVerifier(rsa);
  }

  private static JWSVerifier eddsa(JWK key) throws JOSEException {
    if (!(key instanceof OctetKeyPair okp) || !Curve.Ed25519.equals(okp.getCurve())) {
      throw new JOSEException("EdDSA needs Ed25519");
    }
    return new Ed25519(okp);
  }
}

package miniprogram.authgateway.verifier;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSVerifier;
import com.nimbusds.jose.crypto.impl.EdDSAProvider;
import com.nimbusds.jose.jwk.OctetKeyPair;
import com.nimbusds.jose.util.Base64URL;
import java.io.ByteArrayOutputStream;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.SignatureException;
import java.security.spec.X509EncodedKeySpec;
import java.util.HexFormat;

/**
 * EdDSA by the JDK: Nimbus's own Ed25519 verifier needs another library (Tink), the JDK's needs
 * none since Java 15.
 */
final class Ed25519 extends EdDSAProvider implements JWSVerifier {
  /**
   * RFC 8410 section 10.1: every Ed25519 public key in DER is these twelve bytes and the key's own
   * 32.
   */
  private static final byte[] DER_PREFIX = HexFormat.of().parseHex("302a300506032b6570032100");

  private static final int KEY_BYTES = 32;

  private final PublicKey key;

  Ed25519(OctetKeyPair jwk) throws JOSEException {
    byte[] raw = jwk.getDecodedX();
    if (raw.length != KEY_BYTES) throw new JOSEException("an Ed25519 key has 32 bytes");
    ByteArrayOutputStream der = new ByteArrayOutputStream();
    der.writeBytes(DER_PREFIX);
    der.writeBytes(raw);
    try {
      key =
          KeyFactory.getInstance("Ed25519")
              .generatePublic(new X509EncodedKeySpec(der.toByteArray()));
    } catch (GeneralSecurityException error) {
      throw new JOSEException(error.getMessage(), error);
    }
  }

  @Override
  public boolean verify(JWSHeader header, byte[] signingInput, Base64URL signature)
      throws JOSEException {
    try {
      Signature verifier = Signature.getInstance("Ed25519");
      verifier.initVerify(key);
      verifier.update(signingInput);
      return verifier.verify(signature.decode());
    } catch (SignatureException error) {
      return false; // Of the wrong length, or not below the group's order (RFC 8032 section 5.1.7).
    } catch (GeneralSecurityException error) {
      throw new JOSEException(error.getMessage(), error);
    }
  }
}

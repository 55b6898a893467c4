package verifier

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"math/big"

	"github.com/golang-jwt/jwt/v5"
)

// publicKey is a key with the one algorithm it is used with, whatever a token's header says (RFC 8725 section 3.1).
type publicKey struct {
	alg    string
	key    crypto.PublicKey
	method jwt.SigningMethod
}

const minRSABits = 2048

// importKeys keeps the signing keys that name an allowed algorithm and are public; a set with none of them is an error.
func importKeys(body []byte, algorithms []string, onIgnored func(error)) (map[string]*publicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, errors.New("the JWKS is no JSON object with keys")
	}
	keys := map[string]*publicKey{}
	for _, raw := range set.Keys {
		var jwk map[string]any
		if json.Unmarshal(raw, &jwk) != nil {
			continue
		}
		kid, named := jwk["kid"].(string)
		alg, _ := jwk["alg"].(string) // CVE-2026-22817 and its kind: a key that names no algorithm would take the token's.
		use, hasUse := jwk["use"]
		if !named || keys[kid] != nil || !contains(algorithms, alg) || (hasUse && use != "sig") {
			continue
		}
		key, err := importKey(jwk, alg)
		if err != nil {
			onIgnored(err)
			continue
		}
		keys[kid] = &publicKey{alg, key, jwt.GetSigningMethod(alg)}
	}
	if len(keys) == 0 {
		return nil, errors.New("the JWKS holds no usable key")
	}
	return keys, nil
}

// importKey reads RFC 7518 section 6 and RFC 8037 section 2.
func importKey(jwk map[string]any, alg string) (crypto.PublicKey, error) {
	if _, private := jwk["d"]; private {
		return nil, errors.New("only public keys belong in a JWKS")
	}
	part := func(name string) []byte {
		text, _ := jwk[name].(string)
		bytes, _ := decodeBase64(text)
		return bytes
	}
	switch {
	case alg == "ES256" && jwk["kty"] == "EC" && jwk["crv"] == "P-256":
		x, y := part("x"), part("y")
		if len(x) != 32 || len(y) != 32 {
			return nil, errors.New("an EC key in the JWKS has no coordinates")
		}
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	case alg == "RS256" && jwk["kty"] == "RSA":
		n, e := new(big.Int).SetBytes(part("n")), new(big.Int).SetBytes(part("e"))
		if n.BitLen() < minRSABits || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 {
			return nil, errors.New("an RSA key in the JWKS is too small")
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
	case alg == "EdDSA" && jwk["kty"] == "OKP" && jwk["crv"] == "Ed25519":
		if x := part("x"); len(x) == ed25519.PublicKeySize {
			return ed25519.PublicKey(x), nil
		}
	}
	return nil, errors.New("a key in the JWKS is not of its algorithm's type")
}

func contains(texts []string, text string) bool {
	for _, one := range texts {
		if one == text {
			return true
		}
	}
	return false
}

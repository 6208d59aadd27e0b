package v1beta1

// Verification says whose signatures of a chart, or of an artifact of a registry, are trusted.
// +kubebuilder:validation:XValidation:rule="!has(self.trustedRootSecretRef) || has(self.matchOIDCIdentity)",message="trustedRootSecretRef goes with matchOIDCIdentity"
// +kubebuilder:validation:XValidation:rule="self.provider != 'helm' || has(self.secretRef) && !has(self.matchOIDCIdentity)",message="the provider helm needs secretRef alone"
type Verification struct {
	// Provider is how it is signed: with cosign, which signs artifacts of a registry, or with helm, whose provenance files
	// stand beside charts in repositories of both types. The controller does not support notation yet: it does nothing for
	// an object that asks for it.
	// +kubebuilder:validation:Enum=cosign;helm;notation
	// +kubebuilder:default=cosign
	// +optional
	Provider string `json:"provider,omitempty"`
	// SecretRef names a Secret in the same namespace with public keys, one of which is enough: for cosign PEM in keys that
	// end in .pub, for helm those of PGP in keys that end in .asc (armored) or .gpg.
	// +optional
	SecretRef *LocalObjectReference `json:"secretRef,omitempty"`
	// MatchOIDCIdentity are the identities whose certificates are trusted. One of them is enough.
	// The controller does nothing for an object that sets them beside secretRef, or without
	// trustedRootSecretRef: it does not know the public root of Sigstore.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	// +listType=atomic
	// +optional
	MatchOIDCIdentity []OIDCIdentityMatch `json:"matchOIDCIdentity,omitempty"`
	// TrustedRootSecretRef names a Secret in the same namespace whose key trusted_root.json says which authorities and
	// logs are trusted.
	// +optional
	TrustedRootSecretRef *LocalObjectReference `json:"trustedRootSecretRef,omitempty"`
}

// Values of verify.provider.
const (
	VerifyCosign   = "cosign"
	VerifyHelm     = "helm"
	VerifyNotation = "notation"
)

// Keys names the Secret that says who is trusted, nil when no signature is required.
func (in *Verification) Keys() *LocalObjectReference {
	switch {
	case in == nil:
		return nil
	case in.SecretRef != nil:
		return in.SecretRef
	default:
		return in.TrustedRootSecretRef
	}
}

// OIDCIdentityMatch describes certificates, by regular expressions (RE2) that are not anchored.
type OIDCIdentityMatch struct {
	// Issuer is matched against the issuer of the identity.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +required
	Issuer string `json:"issuer"`
	// Subject is matched against the identity itself.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +required
	Subject string `json:"subject"`
}

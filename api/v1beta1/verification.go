package v1beta1

// OCIVerification says whose signatures of an artifact of a registry are trusted.
// +kubebuilder:validation:XValidation:rule="has(self.secretRef) != has(self.matchOIDCIdentity)",message="exactly one of secretRef (keys) and matchOIDCIdentity (certificates) has to be set"
// +kubebuilder:validation:XValidation:rule="has(self.matchOIDCIdentity) == has(self.trustedRootSecretRef)",message="matchOIDCIdentity and trustedRootSecretRef go together"
type OCIVerification struct {
	// Provider is how artifacts are signed.
	// +kubebuilder:validation:Enum=cosign
	// +kubebuilder:default=cosign
	// +optional
	Provider string `json:"provider,omitempty"`
	// SecretRef names a Secret in the same namespace with public keys, PEM, in keys that end in .pub. One of them is enough.
	// +optional
	SecretRef *LocalObjectReference `json:"secretRef,omitempty"`
	// MatchOIDCIdentity are the identities whose certificates are trusted. One of them is enough.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	// +optional
	MatchOIDCIdentity []OIDCIdentityMatch `json:"matchOIDCIdentity,omitempty"`
	// TrustedRootSecretRef names a Secret in the same namespace whose key trusted_root.json says which authorities and logs are trusted.
	// +optional
	TrustedRootSecretRef *LocalObjectReference `json:"trustedRootSecretRef,omitempty"`
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

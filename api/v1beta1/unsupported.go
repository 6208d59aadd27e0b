package v1beta1

import (
	"fmt"
	"strings"
)

// ProviderGeneric is the provider that authenticates with what a Secret holds. It is the default.
const ProviderGeneric = "generic"

// Supporter is an object whose spec may have fields that Fairlead does not support.
// +kubebuilder:object:generate=false
type Supporter interface {
	// Unsupported returns the fields that are set and would change what is trusted or reached, with their values where
	// only some are not supported. The controller does nothing for the object until they are removed.
	Unsupported() []string
}

// UnsupportedMessage says in a condition what is not supported of an object; it is empty for an object without such
// fields.
func UnsupportedMessage(object Supporter) string {
	fields := object.Unsupported()
	switch len(fields) {
	case 0:
		return ""
	case 1:
		return fields[0] + " is not supported; nothing is done until the spec does without it"
	default:
		return strings.Join(fields, ", ") + " are not supported; nothing is done until the spec does without them"
	}
}

// unsupported collects fields.
// +kubebuilder:object:generate=false
type unsupported []string

// set adds a field that must not be set.
func (u *unsupported) set(field string, is bool) {
	if is {
		*u = append(*u, field)
	}
}

// value adds a field whose value is not among those that are supported; an empty one is the default.
func (u *unsupported) value(field, value string, supported ...string) {
	if value == "" {
		return
	}
	for _, s := range supported {
		if value == s {
			return
		}
	}
	*u = append(*u, field+" "+value)
}

func (u *unsupported) verification(field string, v *Verification) {
	if v == nil {
		return
	}

	u.value(field+".provider", v.Provider, VerifyCosign, VerifyHelm)
	if v.Provider != "" && v.Provider != VerifyCosign {
		return
	}

	rooted := len(v.MatchOIDCIdentity) > 0 && v.TrustedRootSecretRef != nil
	u.set(field+" without secretRef, or matchOIDCIdentity with trustedRootSecretRef,", v.SecretRef == nil && !rooted)
	u.set(field+".matchOIDCIdentity beside secretRef", v.SecretRef != nil && len(v.MatchOIDCIdentity) > 0)
}

// Unsupported returns what is not supported of a verification that is set at a field, as Supporter does for objects.
func (in *Verification) Unsupported(field string) []string {
	var u unsupported
	u.verification(field, in)
	return u
}

// Unsupported implements Supporter.
func (in *Bucket) Unsupported() []string {
	var u unsupported
	u.value("spec.provider", in.Spec.Provider, ProviderGeneric)
	u.set("spec.serviceAccountName", in.Spec.ServiceAccountName != "")
	u.set("spec.sts", in.Spec.STS != nil)
	return u
}

// Unsupported implements Supporter.
func (in *GitRepository) Unsupported() []string {
	var u unsupported
	u.value("spec.provider", in.Spec.Provider, ProviderGeneric)
	u.set("spec.serviceAccountName", in.Spec.ServiceAccountName != "")
	return u
}

// Unsupported implements Supporter.
func (in *HelmRepository) Unsupported() []string {
	var u unsupported
	if in.IsOCI() {
		u.value("spec.provider", in.Spec.Provider, ProviderGeneric)
	}
	return u
}

// Unsupported implements Supporter.
func (in *OCIRepository) Unsupported() []string {
	var u unsupported
	u.value("spec.provider", in.Spec.Provider, ProviderGeneric)
	u.verification("spec.verify", in.Spec.Verify)
	return u
}

// Unsupported implements Supporter.
func (in *HelmChart) Unsupported() []string {
	var u unsupported
	u.verification("spec.verify", in.Spec.Verify)
	return u
}

// Unsupported implements Supporter.
func (in *HelmRelease) Unsupported() []string {
	var u unsupported
	if chart := in.Spec.Chart; chart != nil {
		u.verification("spec.chart.spec.verify", chart.Spec.Verify)
	}
	return u
}

// Unsupported implements Supporter.
func (in *Kustomization) Unsupported() []string {
	var u unsupported
	u.set("spec.decryption.serviceAccountName", in.Spec.Decryption != nil && in.Spec.Decryption.ServiceAccountName != "")
	return u
}

// Unsupported implements Supporter.
func (in *Receiver) Unsupported() []string {
	var u unsupported
	u.value("spec.type", in.Spec.Type, ReceiverGeneric, ReceiverHMAC, ReceiverOIDC, ReceiverGitHub, ReceiverGitLab,
		ReceiverRegistry, ReceiverBitbucket,
		ReceiverHarbor, ReceiverNexus, ReceiverDockerHub, ReceiverQuay, ReceiverACR, ReceiverCDEvents, ReceiverGCR)
	for i, resource := range in.Spec.Resources {
		u.value(fmt.Sprintf("spec.resources[%d].apiVersion", i), resource.APIVersion, GroupVersion.String())
	}
	return u
}

// Unsupported implements Supporter.
func (in *ArtifactGenerator) Unsupported() []string { return nil }

// Unsupported implements Supporter. A reference to another kind than an ArtifactGenerator is an invalid one.
func (in *ExternalArtifact) Unsupported() []string { return nil }

package v1beta1

import (
	"cmp"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Types of receivers: who calls, and how the call proves that it is meant.
const (
	// ReceiverGeneric accepts every call to the address.
	ReceiverGeneric = "generic"
	// ReceiverOIDC is called with a token of an OpenID Connect issuer as a bearer token.
	ReceiverOIDC = "generic-oidc"
	// ReceiverHMAC is called with the header X-Signature, a sha256 or sha512 HMAC of the body.
	ReceiverHMAC = "generic-hmac"
	// ReceiverGitHub is called by GitHub, which signs.
	ReceiverGitHub = "github"
	// ReceiverGitLab is called by GitLab, which sends the token.
	ReceiverGitLab = "gitlab"
	// ReceiverBitbucket is called by Bitbucket Server, which signs.
	ReceiverBitbucket = "bitbucket"
	// ReceiverHarbor is called by Harbor, which sends the token.
	ReceiverHarbor = "harbor"
	// ReceiverNexus is called by Nexus, which signs.
	ReceiverNexus = "nexus"
	// ReceiverDockerHub, ReceiverQuay, ReceiverACR and ReceiverCDEvents are called by senders that prove nothing but
	// that they know the address.
	ReceiverDockerHub = "dockerhub"
	ReceiverQuay      = "quay"
	ReceiverACR       = "acr"
	ReceiverCDEvents  = "cdevents"
	// ReceiverGCR is called by Pub/Sub for a registry of Google, with a token that Google signs.
	ReceiverGCR = "gcr"
	// ReceiverRegistry is called by a registry that sends notifications as CNCF distribution does, with the token as a
	// bearer token.
	ReceiverRegistry = "registry"
)

// ForeignKinds are kinds of Flux that a Receiver may name and that Fairlead does not have.
var ForeignKinds = []string{
	"ImageRepository", "ImagePolicy", "ImageUpdateAutomation",
}

// ReceiverResource names objects that are looked at when a receiver is called.
type ReceiverResource struct {
	// APIVersion of the objects, fairlead.dev/v1beta1 when left out.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// Kind of the objects. ImageRepository, ImagePolicy and ImageUpdateAutomation are accepted and have no effect:
	// Fairlead does not have these kinds.
	// +kubebuilder:validation:Enum=GitRepository;HelmRepository;OCIRepository;Bucket;HelmChart;Kustomization;HelmRelease;ImageRepository;ImagePolicy;ImageUpdateAutomation;ArtifactGenerator;ExternalArtifact
	// +required
	Kind string `json:"kind"`
	// Name of the object, or * for all that have MatchLabels.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// Namespace of the objects, that of the Receiver when left out.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// MatchLabels are labels that the objects have to have, when the name is *.
	// +optional
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
	// Filter is a CEL expression that selects among the objects. It knows the metadata of an object as res, and the
	// body of the call, which has to be JSON, as req.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	Filter string `json:"filter,omitempty"`
}

// DefaultOIDCAudience is the audience of tokens where a provider names none.
const DefaultOIDCAudience = "notification-controller"

// OIDCProvider names an issuer of tokens by which callers prove who they are.
type OIDCProvider struct {
	// IssuerURL is the address of the issuer, as the claim iss of its tokens has it. The controller reads the keys of
	// the issuer from there.
	// +kubebuilder:validation:Pattern=`^https?://`
	// +kubebuilder:validation:MaxLength=2048
	// +required
	IssuerURL string `json:"issuerURL"`
	// Audience that a token has to be for, notification-controller when left out.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Audience string `json:"audience,omitempty"`
	// Variables are CEL expressions over the claims of a token; those that follow and the validations read them as
	// vars.NAME.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	Variables []OIDCVariable `json:"variables,omitempty"`
	// Validations are CEL expressions over claims and vars that all have to be true. An issuer may give a token to
	// anyone: they have to say whose tokens count.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +required
	Validations []OIDCValidation `json:"validations"`
}

// OIDCVariable is a named CEL expression over the claims of a token.
type OIDCVariable struct {
	// Name of the variable.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +required
	Name string `json:"name"`
	// Expression is the value.
	// +kubebuilder:validation:MaxLength=4096
	// +required
	Expression string `json:"expression"`
}

// OIDCValidation is a CEL expression that has to be true for a token.
type OIDCValidation struct {
	// Expression is true for a token that counts.
	// +kubebuilder:validation:MaxLength=4096
	// +required
	Expression string `json:"expression"`
	// Message is for the caller whose token does not count.
	// +kubebuilder:validation:MaxLength=1024
	// +required
	Message string `json:"message"`
}

// ReceiverSpec says who may call, and what is looked at then.
// +kubebuilder:validation:XValidation:rule="(self.type == 'generic-oidc') == (has(self.oidcProviders) && size(self.oidcProviders) > 0)",message="oidcProviders go with the type generic-oidc"
// +kubebuilder:validation:XValidation:rule="self.type == 'generic-oidc' || has(self.secretRef)",message="secretRef is needed for every type but generic-oidc"
type ReceiverSpec struct {
	// Type is the kind of caller.
	// +kubebuilder:validation:Enum=generic;generic-hmac;generic-oidc;github;gitlab;bitbucket;harbor;dockerhub;quay;gcr;nexus;acr;cdevents;registry
	// +required
	Type string `json:"type"`
	// Events that count, in the words of the caller, for example push; all when left out. For github, gitlab, bitbucket
	// and cdevents.
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=1024
	// +listType=atomic
	// +optional
	Events []string `json:"events,omitempty"`
	// Resources are looked at when the receiver is called.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	// +listType=atomic
	// +required
	Resources []ReceiverResource `json:"resources"`
	// ResourceFilter is a CEL expression that selects among the objects of all Resources, before their own filters. It
	// knows the metadata of an object as res, the body of the call, which has to be JSON, as req, and the claims of the
	// token of a generic-oidc call as claims.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	ResourceFilter string `json:"resourceFilter,omitempty"`
	// OIDCProviders are the issuers whose tokens prove who calls a receiver of the type generic-oidc.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=issuerURL
	// +optional
	OIDCProviders []OIDCProvider `json:"oidcProviders,omitempty"`
	// Interval is how often the controller reads the Secret and makes the address again, 10s at least. It watches the
	// Secret, so this is only an audit; when left out, there is none.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`
	// SecretRef names a Secret in the same namespace with the key token, which the address is made from and by which
	// callers prove themselves. For generic-oidc it is optional, and only the address is made from it. For gcr it has
	// the keys email and audience, too: those of the tokens of Google that count.
	// +optional
	SecretRef *LocalObjectReference `json:"secretRef,omitempty"`
	// Suspend has calls refused.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// ReceiverStatus tells where the receiver is called.
type ReceiverStatus struct {
	ReconcileRequest `json:",inline"`
	// ObservedGeneration is the last generation that was handled.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions of the receiver: Ready, Reconciling, Stalled.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// WebhookPath is the path of the address to call.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	WebhookPath string `json:"webhookPath,omitempty"`
}

// Receiver is an address that others call when they have news, so that objects are looked at at once and not at their
// interval.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=flrcv,categories=fairlead
// +kubebuilder:printcolumn:name="Type",type="string",JSONPath=".spec.type"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Status",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].message",priority=1
type Receiver struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ReceiverSpec `json:"spec,omitempty"`
	// +kubebuilder:default={"observedGeneration":-1}
	Status ReceiverStatus `json:"status,omitempty"`
}

// ReceiverList is a list of Receiver.
// +kubebuilder:object:root=true
type ReceiverList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Receiver `json:"items"`
}

// GetAudience returns the audience that a token has to be for.
func (in *OIDCProvider) GetAudience() string { return cmp.Or(in.Audience, DefaultOIDCAudience) }

// GetInterval returns how often the receiver is audited; zero for never.
func (in *Receiver) GetInterval() time.Duration {
	if in.Spec.Interval == nil {
		return 0
	}
	return max(in.Spec.Interval.Duration, MinInterval())
}

// GetConditions implements Conditioned.
func (in *Receiver) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions implements Conditioned.
func (in *Receiver) SetConditions(c []metav1.Condition) { in.Status.Conditions = c }

// SetObservedGeneration records the last generation that was handled.
func (in *Receiver) SetObservedGeneration(g int64) { in.Status.ObservedGeneration = g }

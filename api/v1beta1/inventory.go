package v1beta1

import (
	"encoding/json"
	"strings"
)

// ResourceRef identifies one object of a HelmRelease or Kustomization.
type ResourceRef struct {
	// ID of the object, as namespace_name_group_kind.
	// +kubebuilder:validation:MaxLength=4096
	// +required
	ID string `json:"id"`
	// Version of its API.
	// +kubebuilder:validation:MaxLength=63
	// +required
	Version string `json:"v"`
	// Ownership is a digest of the fields that are owned of the object. It changes when another client changes or takes
	// one of them. Empty when it is not known.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Ownership string `json:"ownership,omitempty"`
	// Payload is a digest of what a Kustomization applied. Empty in the inventory of a HelmRelease.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Payload string `json:"payload,omitempty"`
	// FormerOwnership is the ownership as earlier versions wrote it. It is read, and never written.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	FormerOwnership string `json:"o,omitempty"`
	// FormerPayload is the payload as earlier versions wrote it. It is read, and never written.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	FormerPayload string `json:"d,omitempty"`
}

// ResourceInventory lists the objects of a Kustomization, or of a HelmRelease without its hooks.
type ResourceInventory struct {
	// Entries of the inventory, sorted by ID.
	// +kubebuilder:validation:MaxItems=20000
	// +listType=atomic
	// +required
	Entries []ResourceRef `json:"entries"`
}

// NewResourceRef names an object in an inventory. Namespace and group may be empty.
func NewResourceRef(namespace, name, group, kind, version string) ResourceRef {
	return ResourceRef{ID: strings.Join([]string{namespace, name, group, kind}, "_"), Version: version}
}

// Split returns the parts of the ID; false when it is none. Only the name may contain an underscore.
func (in ResourceRef) Split() (namespace, name, group, kind string, ok bool) {
	namespace, rest, ok := strings.Cut(in.ID, "_")
	last := strings.LastIndexByte(rest, '_')
	if !ok || last < 0 {
		return "", "", "", "", false
	}

	rest, kind = rest[:last], rest[last+1:]
	last = strings.LastIndexByte(rest, '_')
	if last < 0 {
		return "", "", "", "", false
	}

	return namespace, rest[:last], rest[last+1:], kind, kind != "" && rest[:last] != ""
}

// UnmarshalJSON reads an entry as it is written now and as earlier versions wrote it, with single letters as keys.
func (in *ResourceRef) UnmarshalJSON(data []byte) error {
	type plain ResourceRef
	if err := json.Unmarshal(data, (*plain)(in)); err != nil {
		return err
	}
	if in.Ownership == "" {
		in.Ownership = in.FormerOwnership
	}
	if in.Payload == "" {
		in.Payload = in.FormerPayload
	}

	in.FormerOwnership = ""
	in.FormerPayload = ""
	return nil
}

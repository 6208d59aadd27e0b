// Package sops decrypts files that SOPS has encrypted with age or PGP keys.
//
//	sops metadata ─► data key, by the first private key that fits ─► values, AES-256-GCM ─► MAC over all ─► plain file
//
// The format is read directly: the library of SOPS links the SDKs of every cloud, 35 MB for two kinds of keys. Tests
// compare what random files of every store decrypt to with what the library of SOPS 3.13 prints for them.
package sops

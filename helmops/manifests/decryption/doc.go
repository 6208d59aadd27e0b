// Package decryption decrypts files that SOPS has encrypted with age or PGP keys.
//
//	sops metadata ─► data key, by the first of the private keys that fits ─► values, AES-256-GCM ─► MAC over all of them ─► plain file
//
// The format is read directly: the library of SOPS links the SDKs of every cloud, 35 MB for two kinds of keys. Its tests prove that
// files made by SOPS 3.13 are read.
package decryption

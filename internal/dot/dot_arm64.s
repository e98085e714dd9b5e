//go:build !purego

#include "textflag.h"

// func dotNEON(a, b []float32) float32
//
// NEON is part of every arm64. len(a) is a multiple of 8, and len(b) at least
// as much.
TEXT ·dotNEON(SB), NOSPLIT, $0-52
	MOVD a_base+0(FP), R0
	MOVD a_len+8(FP), R2
	MOVD b_base+24(FP), R1
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16

sixteen:
	CMP    $16, R2
	BLT    eight
	VLD1.P 64(R0), [V4.S4, V5.S4, V6.S4, V7.S4]
	VLD1.P 64(R1), [V16.S4, V17.S4, V18.S4, V19.S4]
	VFMLA  V16.S4, V4.S4, V0.S4
	VFMLA  V17.S4, V5.S4, V1.S4
	VFMLA  V18.S4, V6.S4, V2.S4
	VFMLA  V19.S4, V7.S4, V3.S4
	SUB    $16, R2
	B      sixteen

eight:
	CMP    $8, R2
	BLT    sum
	VLD1.P 32(R0), [V4.S4, V5.S4]
	VLD1.P 32(R1), [V16.S4, V17.S4]
	VFMLA  V16.S4, V4.S4, V0.S4
	VFMLA  V17.S4, V5.S4, V1.S4

sum:
	// The assembler has no addition of vectors of floats, but this.
	FMOVS $1.0, F4
	VDUP  V4.S[0], V4.S4
	VFMLA V4.S4, V1.S4, V0.S4
	VFMLA V4.S4, V3.S4, V2.S4
	VFMLA V4.S4, V2.S4, V0.S4

	// The lanes of V0, of which F0 is the first.
	VDUP  V0.S[1], V1.S4
	VDUP  V0.S[2], V2.S4
	VDUP  V0.S[3], V3.S4
	FADDS F1, F0, F0
	FADDS F3, F2, F2
	FADDS F2, F0, F0
	FMOVS F0, ret+48(FP)
	RET

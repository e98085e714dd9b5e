//go:build !purego

#include "textflag.h"

// A complex number of four frames is a vector of eight: their real parts, then
// their imaginary ones. So its product with w is
//
//	[re | im] * w.re + [-im | re] * w.im
//
// for which the halves are swapped, and the sign of one is turned.

// func stageAVX2(z *float32, n int, factors *complex64, half int)
TEXT ·stageAVX2(SB), NOSPLIT, $0-32
	MOVQ     z+0(FP), DI
	MOVQ     n+8(FP), CX
	MOVQ     factors+16(FP), SI
	MOVQ     half+24(FP), BX
	MOVQ     BX, R10
	SHLQ     $5, R10             // in bytes
	VPCMPEQD X14, X14, X14
	VPSLLD   $31, X14, X14       // the sign bits of the lower half

block:
	LEAQ (DI)(R10*1), R8
	MOVQ SI, R9
	MOVQ BX, DX

butterfly:
	VMOVUPS      (R8), Y0
	VBROADCASTSS (R9), Y1
	VBROADCASTSS 4(R9), Y2
	VPERM2F128   $1, Y0, Y0, Y3
	VXORPS       Y14, Y3, Y3
	VMULPS       Y1, Y0, Y0
	VFMADD231PS  Y2, Y3, Y0
	VMOVUPS      (DI), Y4
	VADDPS       Y0, Y4, Y5
	VSUBPS       Y0, Y4, Y6
	VMOVUPS      Y5, (DI)
	VMOVUPS      Y6, (R8)
	ADDQ         $32, DI
	ADDQ         $32, R8
	ADDQ         $8, R9
	DECQ         DX
	JNZ          butterfly
	ADDQ         R10, DI
	SUBQ         BX, CX
	SUBQ         BX, CX
	JNZ          block
	VZEROUPPER
	RET

// func spectrumAVX2(out, z *float32, last *complex64, n int)
TEXT ·spectrumAVX2(SB), NOSPLIT, $0-32
	MOVQ         out+0(FP), R10
	MOVQ         z+8(FP), SI
	MOVQ         last+16(FP), R9
	MOVQ         n+24(FP), CX
	MOVQ         CX, R11
	SHLQ         $4, R11
	ADDQ         R10, R11            // the magnitudes from the end
	MOVQ         CX, R12
	SHLQ         $5, R12
	ADDQ         SI, R12             // behind the last number
	MOVQ         SI, R8              // to the first one its own is the opposite
	SHRQ         $1, CX
	INCQ         CX
	VPCMPEQD     X14, X14, X14
	VPSLLD       $31, X14, X14       // the sign bits of the lower half …
	VPERM2F128   $1, Y14, Y14, Y13   // … and of the upper one
	MOVL         $0x3F000000, AX     // 0.5
	VMOVD        AX, X12
	VBROADCASTSS X12, Y12

bin:
	VMOVUPS      (SI), Y0
	VXORPS       (R8), Y13, Y1       // the conjugate
	VADDPS       Y1, Y0, Y2          // twice the spectrum of the even samples
	VSUBPS       Y1, Y0, Y3
	VPERM2F128   $1, Y3, Y3, Y3
	VXORPS       Y13, Y3, Y3         // … and of the odd ones
	VBROADCASTSS (R9), Y4
	VBROADCASTSS 4(R9), Y5
	VPERM2F128   $1, Y3, Y3, Y6
	VXORPS       Y14, Y6, Y6
	VMULPS       Y4, Y3, Y3
	VFMADD231PS  Y5, Y6, Y3          // turned
	VADDPS       Y3, Y2, Y7
	VSUBPS       Y3, Y2, Y8
	VMULPS       Y12, Y7, Y7
	VMULPS       Y12, Y8, Y8
	VMULPS       Y7, Y7, Y7
	VMULPS       Y8, Y8, Y8
	VEXTRACTF128 $1, Y7, X9
	VEXTRACTF128 $1, Y8, X10
	VADDPS       X9, X7, X7
	VADDPS       X10, X8, X8
	VSQRTPS      X7, X7
	VSQRTPS      X8, X8
	VMOVUPS      X7, (R10)
	VMOVUPS      X8, (R11)
	ADDQ         $32, SI
	SUBQ         $32, R12
	MOVQ         R12, R8
	ADDQ         $8, R9
	ADDQ         $16, R10
	SUBQ         $16, R11
	DECQ         CX
	JNZ          bin
	VZEROUPPER
	RET

//go:build !purego

#include "textflag.h"

// The constants of e^x in the file logistic.go, in the order of their use.
DATA e<>+0(SB)/4, $-60.0
DATA e<>+4(SB)/4, $60.0
DATA e<>+8(SB)/4, $1.44269504088896341
DATA e<>+12(SB)/4, $12582912.0
DATA e<>+16(SB)/4, $0.693359375
DATA e<>+20(SB)/4, $2.12194440e-4
DATA e<>+24(SB)/4, $1.9875691500e-4
DATA e<>+28(SB)/4, $1.3981999507e-3
DATA e<>+32(SB)/4, $8.3334519073e-3
DATA e<>+36(SB)/4, $4.1665795894e-2
DATA e<>+40(SB)/4, $1.6666665459e-1
DATA e<>+44(SB)/4, $5.0000001201e-1
DATA e<>+48(SB)/4, $1.0
GLOBL e<>(SB), RODATA, $52

// func logisticAVX2(x []float32)
//
// For processors with AVX2 and FMA. len(x) is a multiple of 8.
TEXT ·logisticAVX2(SB), NOSPLIT, $0-24
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), CX
	VBROADCASTSS e<>+8(SB), Y5
	VBROADCASTSS e<>+12(SB), Y6
	VBROADCASTSS e<>+16(SB), Y7
	VBROADCASTSS e<>+20(SB), Y8
	VBROADCASTSS e<>+24(SB), Y9
	VBROADCASTSS e<>+28(SB), Y10
	VBROADCASTSS e<>+32(SB), Y11
	VBROADCASTSS e<>+36(SB), Y12
	VBROADCASTSS e<>+40(SB), Y13
	VBROADCASTSS e<>+44(SB), Y14
	VBROADCASTSS e<>+48(SB), Y15

eight:
	CMPQ         CX, $8
	JLT          done
	VBROADCASTSS e<>+0(SB), Y1
	VBROADCASTSS e<>+4(SB), Y2
	VMAXPS       (SI), Y1, Y0
	VMINPS       Y2, Y0, Y0
	VMOVAPS      Y6, Y1
	VFMADD231PS  Y5, Y0, Y1          // k, rounded, in the low bits
	VSUBPS       Y6, Y1, Y2          // k
	VFNMADD231PS Y7, Y2, Y0
	VFMADD231PS  Y8, Y2, Y0          // r
	VMOVAPS      Y9, Y3
	VFMADD213PS  Y10, Y0, Y3
	VFMADD213PS  Y11, Y0, Y3
	VFMADD213PS  Y12, Y0, Y3
	VFMADD213PS  Y13, Y0, Y3
	VFMADD213PS  Y14, Y0, Y3
	VMULPS       Y0, Y0, Y4
	VFMADD213PS  Y0, Y4, Y3
	VADDPS       Y15, Y3, Y3         // e^r
	VPSLLD       $23, Y1, Y1
	VPADDD       Y1, Y3, Y3          // e^x
	VADDPS       Y15, Y3, Y4
	VDIVPS       Y4, Y3, Y3
	VMOVUPS      Y3, (SI)
	ADDQ         $32, SI
	SUBQ         $8, CX
	JMP          eight

done:
	VZEROUPPER
	RET

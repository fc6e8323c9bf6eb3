/**
 * Instruction words whose variants have their handlers inside the interpreter's
 * loop: the most frequent ones of a Debian boot and of compiled user code.
 */
export const frequent: readonly number[] = [
  0x9100_0441, // add x1,x2,#1
  0x1100_0441, // add w1,w2,#1
  0xd100_0441, // sub x1,x2,#1
  0x5100_0441, // sub w1,w2,#1
  0xb100_0441, // adds x1,x2,#1
  0x3100_0441, // adds w1,w2,#1
  0xf100_0441, // subs x1,x2,#1
  0x7100_0441, // subs w1,w2,#1
  0x8b03_0041, // add x1,x2,x3
  0x0b03_0041, // add w1,w2,w3
  0xcb03_0041, // sub x1,x2,x3
  0x4b03_0041, // sub w1,w2,w3
  0xab03_0041, // adds x1,x2,x3
  0xeb03_0041, // subs x1,x2,x3
  0x6b03_0041, // subs w1,w2,w3
  0x8b03_0841, // add x1,x2,x3,lsl #2
  0x0b03_0841, // add w1,w2,w3,lsl #2
  0xcb03_0841, // sub x1,x2,x3,lsl #2
  0xeb03_0841, // subs x1,x2,x3,lsl #2
  0x8b43_0841, // add x1,x2,x3,lsr #2
  0x0b43_0841, // add w1,w2,w3,lsr #2
  0x8b23_c841, // add x1,x2,w3,sxtw #2
  0x8b23_4841, // add x1,x2,w3,uxtw #2
  0x8a03_0041, // and x1,x2,x3
  0x0a03_0041, // and w1,w2,w3
  0xaa03_0041, // orr x1,x2,x3
  0x2a03_0041, // orr w1,w2,w3
  0xca03_0041, // eor x1,x2,x3
  0x4a03_0041, // eor w1,w2,w3
  0xea03_0041, // ands x1,x2,x3
  0x6a03_0041, // ands w1,w2,w3
  0x8a23_0041, // bic x1,x2,x3
  0x0a23_0041, // bic w1,w2,w3
  0xaa22_03e1, // mvn x1,x2
  0x2a22_03e1, // mvn w1,w2
  0xaa03_0c41, // orr x1,x2,x3,lsl #3
  0x2a03_0c41, // orr w1,w2,w3,lsl #3
  0xca03_0c41, // eor x1,x2,x3,lsl #3
  0x4a03_0c41, // eor w1,w2,w3,lsl #3
  0xca43_0c41, // eor x1,x2,x3,lsr #3
  0x4a43_0c41, // eor w1,w2,w3,lsr #3
  0x8a03_0c41, // and x1,x2,x3,lsl #3
  0xcac3_0c41, // eor x1,x2,x3,ror #3
  0x4ac3_0c41, // eor w1,w2,w3,ror #3
  0x9240_1c41, // and x1,x2,#0xff
  0x1200_1c41, // and w1,w2,#0xff
  0xb240_1c41, // orr x1,x2,#0xff
  0x3200_1c41, // orr w1,w2,#0xff
  0xd240_1c41, // eor x1,x2,#0xff
  0x5200_1c41, // eor w1,w2,#0xff
  0xf240_1c41, // ands x1,x2,#0xff
  0x7200_1c41, // ands w1,w2,#0xff
  0xd280_0021, // movz x1,#1
  0x5280_0021, // movz w1,#1
  0x9280_0021, // movn x1,#1
  0x1280_0021, // movn w1,#1
  0xf280_0021, // movk x1,#1
  0x7280_0021, // movk w1,#1
  0x1000_0041, // adr x1,.+8
  0x9000_0001, // adrp x1,.
  0xd343_5041, // ubfm x1,x2,#3,#20
  0x5303_5041, // ubfm w1,w2,#3,#20
  0xd354_0c41, // ubfm x1,x2,#20,#3
  0x5314_0c41, // ubfm w1,w2,#20,#3
  0x9343_5041, // sbfm x1,x2,#3,#20
  0x1303_5041, // sbfm w1,w2,#3,#20
  0x9354_0c41, // sbfm x1,x2,#20,#3
  0xb343_5041, // bfm x1,x2,#3,#20
  0xb354_0c41, // bfm x1,x2,#20,#3
  0x3303_5041, // bfm w1,w2,#3,#20
  0x3314_0c41, // bfm w1,w2,#20,#3
  0x93c3_1441, // extr x1,x2,x3,#5
  0x1383_1441, // extr w1,w2,w3,#5
  0x9a83_0041, // csel x1,x2,x3,eq
  0x1a83_0041, // csel w1,w2,w3,eq
  0x9a83_0441, // csinc x1,x2,x3,eq
  0x1a83_0441, // csinc w1,w2,w3,eq
  0xda83_0041, // csinv x1,x2,x3,eq
  0x5a83_0041, // csinv w1,w2,w3,eq
  0x5a83_0441, // csneg w1,w2,w3,eq
  0xfa42_0020, // ccmp x1,x2,#0,eq
  0x7a42_0020, // ccmp w1,w2,#0,eq
  0xfa41_0820, // ccmp x1,#1,#0,eq
  0x7a41_0820, // ccmp w1,#1,#0,eq
  0x9b03_1041, // madd x1,x2,x3,x4
  0x1b03_1041, // madd w1,w2,w3,w4
  0x9b03_9041, // msub x1,x2,x3,x4
  0x1b03_9041, // msub w1,w2,w3,w4
  0x9ba3_1041, // umaddl x1,w2,w3,x4
  0x9b23_1041, // smaddl x1,w2,w3,x4
  0x9bc3_7c41, // umulh x1,x2,x3
  0x9ac3_0841, // udiv x1,x2,x3
  0x1ac3_0841, // udiv w1,w2,w3
  0x9ac3_2041, // lslv x1,x2,x3
  0x1ac3_2041, // lslv w1,w2,w3
  0x9ac3_2441, // lsrv x1,x2,x3
  0x1ac3_2441, // lsrv w1,w2,w3
  0x9a03_0041, // adc x1,x2,x3
  0xba03_0041, // adcs x1,x2,x3
  0xdac0_0c41, // rev x1,x2
  0x5ac0_0841, // rev w1,w2
  0x5ac0_0441, // rev16 w1,w2
  0xdac0_1041, // clz x1,x2
  0x5ac0_1041, // clz w1,w2
  0xdac0_0041, // rbit x1,x2
  0x1400_0002, // b .+8
  0x9400_0002, // bl .+8
  0x5400_0040, // b.eq .+8
  0xb400_0041, // cbz x1,.+8
  0xb500_0041, // cbnz x1,.+8
  0x3400_0041, // cbz w1,.+8
  0x3500_0041, // cbnz w1,.+8
  0x3618_0041, // tbz x1,#3,.+8
  0x3718_0041, // tbnz x1,#3,.+8
  0xd61f_0020, // br x1
  0xd63f_0020, // blr x1
  0xd65f_03c0, // ret
  0xd503_201f, // nop
  0xd503_3f9f, // dsb sy
  0xd503_3bbf, // dmb ish
  0xd503_3fdf, // isb
  0xf940_0441, // ldr x1,[x2,#8]
  0xb940_0841, // ldr w1,[x2,#8]
  0xf900_0441, // str x1,[x2,#8]
  0xb900_0841, // str w1,[x2,#8]
  0x3940_2041, // ldrb w1,[x2,#8]
  0x3900_2041, // strb w1,[x2,#8]
  0x7940_1041, // ldrh w1,[x2,#8]
  0x7900_1041, // strh w1,[x2,#8]
  0xb980_0841, // ldrsw x1,[x2,#8]
  0x39c0_2041, // ldrsb w1,[x2,#8]
  0x3980_2041, // ldrsb x1,[x2,#8]
  0x79c0_1041, // ldrsh w1,[x2,#8]
  0xf940_07e1, // ldr x1,[sp,#8]
  0xb940_0be1, // ldr w1,[sp,#8]
  0xf900_07e1, // str x1,[sp,#8]
  0xb900_0be1, // str w1,[sp,#8]
  0x3940_23e1, // ldrb w1,[sp,#8]
  0xf85f_8041, // ldur x1,[x2,#-8]
  0xb85f_8041, // ldur w1,[x2,#-8]
  0xf81f_8041, // stur x1,[x2,#-8]
  0xb81f_8041, // stur w1,[x2,#-8]
  0x385f_8041, // ldurb w1,[x2,#-8]
  0x381f_8041, // sturb w1,[x2,#-8]
  0xf840_8441, // ldr x1,[x2],#8
  0xb840_8441, // ldr w1,[x2],#8
  0xf800_8441, // str x1,[x2],#8
  0xb800_8441, // str w1,[x2],#8
  0x3840_1441, // ldrb w1,[x2],#1
  0x3800_1441, // strb w1,[x2],#1
  0xf840_8c41, // ldr x1,[x2,#8]!
  0xb840_8c41, // ldr w1,[x2,#8]!
  0xf800_8c41, // str x1,[x2,#8]!
  0x3840_1c41, // ldrb w1,[x2,#1]!
  0x3800_1c41, // strb w1,[x2,#1]!
  0xf81f_0fe1, // str x1,[sp,#-16]!
  0xf841_07e1, // ldr x1,[sp],#16
  0xf863_6841, // ldr x1,[x2,x3]
  0xf863_7841, // ldr x1,[x2,x3,lsl #3]
  0xb863_7841, // ldr w1,[x2,x3,lsl #2]
  0xb863_6841, // ldr w1,[x2,x3]
  0xf823_6841, // str x1,[x2,x3]
  0xf823_7841, // str x1,[x2,x3,lsl #3]
  0xb823_7841, // str w1,[x2,x3,lsl #2]
  0xb823_6841, // str w1,[x2,x3]
  0x3863_6841, // ldrb w1,[x2,x3]
  0x3823_6841, // strb w1,[x2,x3]
  0x7863_6841, // ldrh w1,[x2,x3]
  0x7863_7841, // ldrh w1,[x2,x3,lsl #1]
  0xf863_5841, // ldr x1,[x2,w3,uxtw #3]
  0xf863_d841, // ldr x1,[x2,w3,sxtw #3]
  0xb863_5841, // ldr w1,[x2,w3,uxtw #2]
  0xb863_d841, // ldr w1,[x2,w3,sxtw #2]
  0x3863_4841, // ldrb w1,[x2,w3,uxtw]
  0x3863_c841, // ldrb w1,[x2,w3,sxtw]
  0xb8a3_7841, // ldrsw x1,[x2,x3,lsl #2]
  0x5800_0041, // ldr x1,.+8
  0xa941_0c41, // ldp x1,x3,[x2,#16]
  0xa901_0c41, // stp x1,x3,[x2,#16]
  0x2942_0c41, // ldp w1,w3,[x2,#16]
  0x2902_0c41, // stp w1,w3,[x2,#16]
  0xa8c1_0c41, // ldp x1,x3,[x2],#16
  0xa881_0c41, // stp x1,x3,[x2],#16
  0xa9c1_0c41, // ldp x1,x3,[x2,#16]!
  0xa981_0c41, // stp x1,x3,[x2,#16]!
  0xa941_0fe1, // ldp x1,x3,[sp,#16]
  0xa901_0fe1, // stp x1,x3,[sp,#16]
  0xa8c1_0fe1, // ldp x1,x3,[sp],#16
  0xa9bf_0fe1, // stp x1,x3,[sp,#-16]!
  0x2902_0fe1, // stp w1,w3,[sp,#16]
  0x2942_0fe1, // ldp w1,w3,[sp,#16]
  0xd538_4101, // mrs x1,sp_el0
  0xd538_d081, // mrs x1,tpidr_el1
  0x885f_7c41, // ldxr w1,[x2]
  0xc85f_7c41, // ldxr x1,[x2]
  0x8804_7c41, // stxr w4,w1,[x2]
  0xc804_7c41, // stxr w4,x1,[x2]
  0x88df_fc41, // ldar w1,[x2]
  0x889f_fc41, // stlr w1,[x2]
  0xf980_0040, // prfm #0,[x2]
  0xd503_233f, // hint #25
  0x1e60_4020, // fmov d0,d1
  0x1e62_2820, // fadd d0,d1,d2
  0x1e62_3820, // fsub d0,d1,d2
  0x1e62_0820, // fmul d0,d1,d2
  0x1e62_1820, // fdiv d0,d1,d2
  0x1f42_0c20, // fmadd d0,d1,d2,d3
  0x1e62_2020, // fcmp d1,d2
  0x1e78_0020, // fcvtzs w0,d1
  0x1e62_0020, // scvtf d0,w1
  0x1e22_2820, // fadd s0,s1,s2
  0x1e22_0820, // fmul s0,s1,s2
  0x1f02_0c20, // fmadd s0,s1,s2,s3
  0x3dc0_0420, // ldr q0,[x1,#16]
  0x3d80_0420, // str q0,[x1,#16]
  0xfd40_0820, // ldr d0,[x1,#16]
  0xfd00_0820, // str d0,[x1,#16]
  0xbd40_1020, // ldr s0,[x1,#16]
  0xfc62_7820, // ldr d0,[x1,x2,lsl #3]
  0xfc40_8420, // ldr d0,[x1],#8
  0xfc00_8420, // str d0,[x1],#8
  0xad41_0440, // ldp q0,q1,[x2,#32]
  0xad01_0440, // stp q0,q1,[x2,#32]
  0x3cc1_0420, // ldr q0,[x1],#16
  0x3c81_0420, // str q0,[x1],#16
  0x9e67_0020, // fmov d0,x1
  0x9e66_0020, // fmov x0,d1
];
